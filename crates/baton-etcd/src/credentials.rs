//! Who we are to the cluster: certificates, user and password, from the environment or from files that it names.
//!
//! Never from the command line, which every user of the host can read, and never written anywhere.
//!
//! | variable | |
//! |---|---|
//! | `BATON_ETCD_CACERT` | file with the authorities to trust; without it, those of the system |
//! | `BATON_ETCD_CERT`, `BATON_ETCD_KEY` | files with the client's certificate and key; both or none |
//! | `BATON_ETCD_SERVER_NAME` | the name that the server's certificate has to have, if not that of the address |
//! | `BATON_ETCD_USER` | the user |
//! | `BATON_ETCD_PASSWORD`, `BATON_ETCD_PASSWORD_FILE` | its password, or a file whose first line it is |

use std::{env, ffi::OsString, fmt, fs, path::PathBuf};

use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::Error;

/// What is shown to the cluster.
#[derive(Clone, Default)]
pub struct Credentials {
    pub(crate) user: Option<(String, String)>,
    authority: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    server_name: Option<String>,
}

impl Credentials {
    /// What the environment says.
    ///
    /// # Errors
    ///
    /// [`Error::Credentials`] if a file can't be read, or half of a pair is missing.
    pub fn from_environment() -> Result<Self, Error> {
        Self::from_variables(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let file = |variable: &str| -> Result<Option<Vec<u8>>, Error> {
            let Some(path) = get(variable).map(PathBuf::from) else { return Ok(None) };
            fs::read(&path).map(Some).map_err(|error| Error::credentials(variable, Some(&path), &error))
        };
        let text = |variable: &str| -> Result<Option<String>, Error> {
            let value = get(variable).map(OsString::into_string).transpose();
            value.map_err(|_| Error::credentials(variable, None, &"it is not UTF-8"))
        };
        let identity = match (file("BATON_ETCD_CERT")?, file("BATON_ETCD_KEY")?) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return Err(alone("BATON_ETCD_CERT", "BATON_ETCD_KEY")),
            (None, Some(_)) => return Err(alone("BATON_ETCD_KEY", "BATON_ETCD_CERT")),
        };
        let from_file = file("BATON_ETCD_PASSWORD_FILE")?.map(|bytes| first_line(&bytes)).transpose()?;
        let password =
            from_file.map_or_else(|| text("BATON_ETCD_PASSWORD"), |password| Ok(Some(password)))?;
        let user = match (text("BATON_ETCD_USER")?, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, _) => None,
            (Some(_), None) => return Err(alone("BATON_ETCD_USER", "BATON_ETCD_PASSWORD")),
        };
        Ok(Self {
            user,
            authority: file("BATON_ETCD_CACERT")?,
            identity,
            server_name: text("BATON_ETCD_SERVER_NAME")?,
        })
    }

    pub(crate) fn tls(&self) -> ClientTlsConfig {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.authority {
            Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
            None => tls.with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        tls
    }
}

impl fmt::Debug for Credentials {
    /// Whom, never what proves it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map(|(user, _)| user);
        out.debug_struct("Credentials").field("user", &user).finish_non_exhaustive()
    }
}

fn alone(given: &str, missing: &str) -> Error {
    Error::credentials(given, None, &format_args!("{missing} is missing"))
}

fn first_line(bytes: &[u8]) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::credentials("BATON_ETCD_PASSWORD_FILE", None, &"the file is not UTF-8"))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Credentials, Error> {
        Credentials::from_variables(|name| {
            pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file_and_shown_nowhere() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "geheim\nmore\n").expect("written");
        let path = file.path().to_str().expect("UTF-8");
        let credentials =
            from(&[("BATON_ETCD_USER", "ci"), ("BATON_ETCD_PASSWORD_FILE", path)]).expect("complete");
        assert_eq!(credentials.user, Some(("ci".into(), "geheim".into())));
        assert!(!format!("{credentials:?}").contains("geheim"));
    }

    #[test]
    fn half_of_a_pair_is_refused_by_the_name_of_the_other_half() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_str().expect("UTF-8");
        for (given, missing) in [
            ("BATON_ETCD_CERT", "BATON_ETCD_KEY"),
            ("BATON_ETCD_KEY", "BATON_ETCD_CERT"),
            ("BATON_ETCD_USER", "BATON_ETCD_PASSWORD"),
        ] {
            let error = from(&[(given, path)]).expect_err("refused").to_string();
            assert!(error.contains(given) && error.contains(missing), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_missing_is_named_with_its_variable() {
        let error = from(&[("BATON_ETCD_CACERT", "/nowhere/ca.pem")]).expect_err("refused").to_string();
        assert!(error.contains("/nowhere/ca.pem") && error.contains("BATON_ETCD_CACERT"), "{error}");
    }
}

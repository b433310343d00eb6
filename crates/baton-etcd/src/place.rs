//! The store as the command sees it: `baton-lock`'s interface, implemented.

use std::{ffi::OsStr, path::PathBuf, sync::Arc, time::Duration};

use baton_lock::{
    Error as LockError, ErrorKind, Options,
    doctor::Check,
    session, state_dir,
    store::{Intent, Store, StoredLock},
};

use crate::{
    Error, EtcdStore, doctor,
    keys::{self, Keys},
    lock::EtcdLock,
    session::Place,
    wire::Range,
};

impl EtcdStore {
    fn open_lock(&self, name: &str, options: Options) -> Result<Box<dyn StoredLock>, LockError> {
        Ok(Box::new(EtcdLock::new(Arc::clone(&self.shared), name, options)?))
    }

    /// The names that stand next below this prefix, each once.
    fn names_below(&self, what: &'static str, prefix: &[u8]) -> Result<Vec<String>, Error> {
        let range = Range { keys_only: true, ..keys::get_all(prefix.to_vec()) };
        let answer = self.shared.engine.block_on(self.shared.cluster.read(what, range))?;
        let name = |key: &[u8]| {
            let name = std::str::from_utf8(key.strip_prefix(prefix)?).ok()?.split('/').next()?;
            Keys::new(&self.shared.address.prefix, name).ok().map(|keys| keys.name().to_owned())
        };
        let mut names: Vec<_> = answer.kvs.iter().filter_map(|found| name(&found.key)).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

impl Store for EtcdStore {
    fn url(&self) -> Option<&str> {
        Some(&self.shared.url)
    }

    /// Named by the cluster's own id, since one cluster can be written in many ways.
    fn state(&self) -> Option<PathBuf> {
        let place = format!("{:016x}", self.shared.cluster_id);
        let prefix = escaped(&self.shared.address.prefix);
        state_dir::state_directory().map(|state| state.join("etcd").join(place).join(prefix))
    }

    fn lock(&self, name: &OsStr, options: Options, _: Intent) -> Result<Box<dyn StoredLock>, LockError> {
        let Some(text) = name.to_str() else {
            return Err(Error::Name { name: name.to_string_lossy().into_owned() }.into());
        };
        if let Some(option) = options.only_for_files() {
            return Err(LockError::Store {
                kind: ErrorKind::Usage,
                message: format!("{option} is for locks that are files"),
                hint: Some("leave it out, or use a directory as the store".to_owned()),
                source: None,
            });
        }
        self.open_lock(text, options)
    }

    fn locks(&self, options: Options) -> Result<Vec<Box<dyn StoredLock>>, LockError> {
        let names = self.names_below("list the locks", &keys::locks(&self.shared.address.prefix))?;
        names.iter().map(|name| self.open_lock(name, options.clone())).collect()
    }

    fn session(&self, name: &str) -> Result<session::Store, session::Error> {
        let address = &self.shared.address;
        let keys = Keys::new(&address.prefix, name).map_err(LockError::from)?;
        let path = PathBuf::from(format!("{address}/sessions/{name}"));
        let lock = baton_lock::Address { store: address.to_string(), name: name.to_owned() }.path();
        let place = Place { shared: Arc::clone(&self.shared), keys, path: path.clone() };
        session::Store::kept(name, path, lock, Arc::new(place))
    }

    fn sessions(&self) -> Result<Vec<session::Store>, session::Error> {
        let prefix = keys::sessions(&self.shared.address.prefix);
        let names = self.names_below("list the sessions", &prefix).map_err(LockError::from)?;
        names.iter().map(|name| self.session(name)).collect()
    }

    fn examine(&self) -> Option<Result<Vec<Check>, LockError>> {
        Some(Ok(doctor::examine(&self.shared)))
    }

    fn lease(&self) -> Option<Duration> {
        Some(self.shared.lease)
    }
}

/// As one name in a directory, which no other text has.
fn escaped(prefix: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let shown = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    prefix.bytes().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_have_different_directories_none_of_which_leads_elsewhere() {
        let names: Vec<String> =
            ["a", "a/b", "a%2Fb", "..", "a b", "ä"].iter().map(|text| escaped(text)).collect();
        assert_eq!(names, ["a", "a%2Fb", "a%252Fb", "%2E%2E", "a%20b", "%C3%A4"]);
    }
}

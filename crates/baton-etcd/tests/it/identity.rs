//! Who we are to the cluster: users with passwords, certificates, and what is said when they are wrong.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::{
    contender::Contender,
    servers::{self, Cluster},
};

/// A cluster that wants users: `ci` may use what is below `jobs/`.
fn with_users() -> Cluster {
    let cluster = Cluster::start(1, &[]);
    for words in [
        "user add root:r00t",
        "user grant-role root root",
        "user add ci:geheim",
        "role add jobs",
        "role grant-permission jobs --prefix=true readwrite jobs/",
        "user grant-role ci jobs",
        "auth enable",
    ] {
        cluster.ctl(&words.split(' ').collect::<Vec<_>>());
    }
    cluster
}

#[test]
fn user_with_rights_below_the_prefix_locks_there_and_nowhere_else() {
    if !servers::is_there() {
        return;
    }
    let cluster = with_users();
    let url = cluster.url("jobs");
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "geheim\n").expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let from_file = [("BATON_ETCD_USER", "ci"), ("BATON_ETCD_PASSWORD_FILE", path)];
    let mut holder = Contender::start_as(&url, "a", 10, &from_file);
    holder.lock();
    assert_eq!(holder.ask("open"), "open");
    assert_eq!(holder.ask("write one"), "written");
    let doctor = holder.ask("doctor");
    assert!(!doctor.contains("Fails"), "{doctor}");
    let elsewhere = Contender::start_as(&cluster.url("others"), "a", 10, &from_file).ask("try");
    assert!(
        elsewhere.contains("refuses queue for the lock") && elsewhere.contains("permission denied"),
        "{elsewhere}"
    );
    let wrong =
        Contender::start_as(&url, "a", 10, &[("BATON_ETCD_USER", "ci"), ("BATON_ETCD_PASSWORD", "falsch")]);
    let wrong = wrong.failure();
    assert!(wrong.contains("refuses") && !wrong.contains("falsch"), "{wrong}");
    let nobody = Contender::start(&url, "a", 10).ask("try");
    assert!(nobody.contains("refuses"), "{nobody}");
    assert_eq!(holder.ask("release"), "released");
}

#[test]
fn holder_logs_in_again_when_the_server_has_forgotten_its_login() {
    if !servers::is_there() {
        return;
    }
    let cluster = with_users();
    let user = [("BATON_ETCD_USER", "ci"), ("BATON_ETCD_PASSWORD", "geheim")];
    let mut holder = Contender::start_as(&cluster.url("jobs"), "a", 20, &user);
    holder.lock();
    // It forgets all of them with that.
    cluster.ctl(&["--user", "root:r00t", "auth", "disable"]);
    cluster.ctl(&["auth", "enable"]);
    assert_eq!(holder.ask("open"), "open");
    assert_eq!(holder.ask("write one"), "written");
    assert_eq!(holder.ask("verify"), "intact");
    assert_eq!(holder.ask("release"), "released");
}

/// An authority, and certificates for a server and a client, as files in a directory.
fn certificates() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(&directory).output();
        let output = output.expect("openssl ran");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    let leaf = "-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE";
    openssl(&format!("{new} -subj /CN=authority -keyout ca.key -out ca.pem"));
    openssl(&format!(
        "{new} {leaf} -subj /CN=server -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.pem"
    ));
    openssl(&format!(
        "{new} {leaf} -subj /CN=client -addext extendedKeyUsage=clientAuth -keyout client.key -out client.pem"
    ));
    directory
}

#[test]
fn cluster_with_tls_is_used_with_the_certificates_that_it_wants_and_each_wrong_one_is_named() {
    if !servers::is_there() {
        return;
    }
    let directory = certificates();
    let file = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (ca, server) = (file("ca.pem"), [file("server.pem"), file("server.key")]);
    let cluster = Cluster::start(
        1,
        &[
            "--cert-file",
            &server[0],
            "--key-file",
            &server[1],
            "--trusted-ca-file",
            &ca,
            "--client-cert-auth",
        ],
    );
    let plain = cluster.url("jobs");
    let url = plain.replace("etcd://", "etcds://");
    let (certificate, key) = (file("client.pem"), file("client.key"));
    let whole = [("BATON_ETCD_CACERT", &*ca), ("BATON_ETCD_CERT", &*certificate), ("BATON_ETCD_KEY", &*key)];
    let mut holder = Contender::start_as(&url, "a", 10, &whole);
    holder.lock();
    assert_eq!(holder.ask("release"), "released");
    let failure =
        |url: &str, variables: &[(&str, &str)]| Contender::start_as(url, "a", 10, variables).failure();
    let unknown = failure(&url, &whole[1..]);
    assert!(unknown.contains("can't be spoken to by TLS") && unknown.contains("UnknownIssuer"), "{unknown}");
    // Which of these it is depends on what is seen first: the alert, the end of the connection, or that it is over in time.
    for (url, variables) in [(&url, &whole[..1]), (&plain, &[])] {
        let refused = failure(url, variables);
        let words = ["can't be reached", "by TLS", "does not answer"];
        assert!(words.iter().any(|word| refused.contains(word)), "{refused}");
    }
    let named = failure(&url, &[&whole[..], &[("BATON_ETCD_SERVER_NAME", "other.example")]].concat());
    assert!(named.contains("not valid for name"), "{named}");
}

//! Files to configurations, and handshakes between a server and clients of this crate, in memory.

use std::path::Path;
use std::process::Command;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConnection};
use tempfile::TempDir;

use super::client::{UpstreamTls, build, build_trusting};
use super::file_error::lines;
use super::server::{Identity, TlsFiles, Validity, load};
use super::verifier::{Verification, client};
use super::*;

const DAY: f64 = 86_400.0;
const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// A folder with an authority `ca`, and pairs that it signed.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.openssl(&format!("req -x509 {KEY} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(self.0.path()).output();
        let output = output.expect("openssl is needed: ./test installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A pair `{name}.pem` and `{name}.key`, for these DNS names.
    fn issue(&self, name: &str, dns: &[&str]) -> &Self {
        let alternatives: Vec<String> = dns.iter().map(|name| format!("DNS:{name}")).collect();
        let names = if dns.is_empty() { String::new() } else { format!("subjectAltName={}\n", alternatives.join(",")) };
        std::fs::write(self.path("names"), names + "basicConstraints=CA:FALSE\n").unwrap();
        self.openssl(&format!("req {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        let signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -days 30";
        self.openssl(&format!("x509 -req -in {name}.csr {signed} -out {name}.pem"));
        self
    }

    fn write(&self, name: &str, text: &[u8]) -> &Self {
        std::fs::write(self.path(name), text).unwrap();
        self
    }

    fn files(&self, certificate: &str, key: &str, client_ca: Option<&str>) -> TlsFiles {
        let client_ca = client_ca.map(|name| self.path(name));
        TlsFiles {
            certificate: self.path(certificate),
            key: self.path(key),
            client_ca,
            client_ca_variable: "METRICS_TLS_CLIENT_CA_FILE",
        }
    }

    fn roots(&self, name: &str) -> rustls::RootCertStore {
        pem::roots(pem::certificates(&std::fs::read(self.path(name)).unwrap()).unwrap()).unwrap()
    }
}

/// The certificate of a new authority, in PEM.
pub(crate) fn authority() -> Vec<u8> {
    std::fs::read(Folder::new().path("ca.pem")).unwrap()
}

fn der(path: &Path) -> Vec<u8> {
    pem::certificates(&std::fs::read(path).unwrap()).unwrap().remove(0).to_vec()
}

/// Runs a handshake; the error of the side that rejects.
fn shake(server: &Identity, client: ClientConfig, name: &'static str) -> Result<ServerConnection, String> {
    let mut server = ServerConnection::new(Arc::clone(&server.config)).unwrap();
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from(name).unwrap()).unwrap();
    for _ in 0..6 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut read = &bytes[..];
        while !read.is_empty() {
            server.read_tls(&mut read).unwrap();
            server.process_new_packets().map_err(|error| format!("server: {error}"))?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut read = &bytes[..];
        while !read.is_empty() {
            client.read_tls(&mut read).unwrap();
            client.process_new_packets().map_err(|error| format!("client: {error}"))?;
        }
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    Ok(server)
}

#[test]
fn a_certificate_is_named_by_its_dns_names_or_else_its_subject() {
    let folder = Folder::new();
    folder.issue("both", &["a.example", "b.example"]).issue("plain", &[]);
    for (name, expected) in [("both", "a.example, b.example"), ("plain", "CN=plain")] {
        let validity = Validity::of(&der(&folder.path(&format!("{name}.pem")))).unwrap();
        assert_eq!(validity.name, expected);
        assert!((validity.not_after - validity.not_before - 30.0 * DAY).abs() < 2.0, "{validity:?}");
    }
    assert_eq!(Validity::of(b"no certificate"), None);
}

#[test]
fn days_left_are_whole_and_below_zero_once_it_has_expired() {
    let validity = Validity { name: String::new(), not_before: 0.0, not_after: 10.0 * DAY };
    for (now, days) in [(0.0, 10.0), (1.0, 9.0), (9.0 * DAY, 1.0), (9.5 * DAY, 0.0), (10.0 * DAY + 1.0, -1.0)] {
        assert_eq!(validity.days_left(now), days, "{now}");
    }
}

#[test]
fn a_servers_files_are_all_checked_and_each_error_names_its_own() {
    let folder = Folder::new();
    folder.issue("one", &["localhost"]).issue("two", &["localhost"]).write("garbage", b"hunter2");
    let load =
        |certificate, key, client_ca| load(&folder.files(certificate, key, client_ca)).map(|_| ()).map_err(lines);
    assert_eq!(load("one.pem", "one.key", None), Ok(()));
    assert_eq!(load("one.pem", "one.key", Some("ca.pem")), Ok(()));
    for (certificate, key, client_ca, named) in [
        ("missing", "garbage", Some("one.key"), &["CERT_FILE", "KEY_FILE", "CLIENT_CA_FILE"][..]),
        ("one.pem", "missing", None, &["KEY_FILE"]),
        ("one.key", "one.key", None, &["CERT_FILE"]),
        ("one.pem", "one.pem", None, &["KEY_FILE"]),
        ("one.pem", "one.key", Some("missing"), &["CLIENT_CA_FILE"]),
    ] {
        let errors = load(certificate, key, client_ca).unwrap_err();
        let expected: Vec<String> = named.iter().map(|name| format!("METRICS_TLS_{name} ")).collect();
        assert_eq!(errors.len(), expected.len(), "{errors:?}");
        for (error, expected) in errors.iter().zip(&expected) {
            assert!(error.starts_with(expected) && error.contains("; accepted: "), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
    let [other] = &load("one.pem", "two.key", None).unwrap_err()[..] else { panic!("one error") };
    assert!(other.starts_with("METRICS_TLS_KEY_FILE ") && other.contains("is not the key of the first"), "{other}");
}

#[test]
fn the_first_certificate_of_a_chain_is_the_servers() {
    let folder = Folder::new();
    folder.issue("leaf", &["localhost"]);
    let [leaf, authority] = ["leaf.pem", "ca.pem"].map(|name| std::fs::read(folder.path(name)).unwrap());
    folder
        .write("chain.pem", &[leaf.clone(), authority.clone()].concat())
        .write("reversed.pem", &[authority, leaf].concat());
    let identity = load(&folder.files("chain.pem", "leaf.key", None)).unwrap();
    assert_eq!(identity.certificate.map(|certificate| certificate.name), Some("localhost".to_owned()));
    assert!(load(&folder.files("reversed.pem", "leaf.key", None)).is_err(), "its key is another one's");
}

#[test]
fn a_server_is_verified_as_much_as_its_option_says() {
    use Verification::{Certificate, CertificateAndName, Nothing};
    let folder = Folder::new();
    folder.issue("server", &["localhost"]);
    folder.openssl(&format!("req -x509 {KEY} -days 2 -subj /CN=stranger -keyout other.key -out other.pem"));
    let server = load(&folder.files("server.pem", "server.key", None)).unwrap();
    for (verification, roots, name, accepted) in [
        (CertificateAndName, "ca.pem", "localhost", true),
        (CertificateAndName, "ca.pem", "elsewhere", false),
        (CertificateAndName, "other.pem", "localhost", false),
        (Certificate, "ca.pem", "elsewhere", true),
        (Certificate, "other.pem", "localhost", false),
        (Nothing, "other.pem", "elsewhere", true),
    ] {
        let config = client(verification, folder.roots(roots)).with_no_client_auth();
        let shaken = shake(&server, config, name).map(|_| ());
        assert_eq!(shaken.is_ok(), accepted, "{verification:?} {roots} {name}: {shaken:?}");
    }
    let nobody = client(Certificate, rustls::RootCertStore::empty()).with_no_client_auth();
    assert!(shake(&server, nobody, "localhost").is_err(), "without authorities no certificate can be verified");
}

#[test]
fn a_client_may_come_without_a_certificate_and_not_with_a_strangers() {
    let folder = Folder::new();
    folder.issue("server", &["localhost"]).issue("friend", &["friend"]);
    folder.openssl(&format!("req -x509 {KEY} -days 2 -subj /CN=stranger -keyout stranger.key -out stranger.pem"));
    let server = load(&folder.files("server.pem", "server.key", Some("ca.pem"))).unwrap();
    let trusting = || client(Verification::CertificateAndName, folder.roots("ca.pem"));
    let with = |name: &str| {
        let identity = load(&folder.files(&format!("{name}.pem"), &format!("{name}.key"), None));
        assert!(identity.is_ok());
        let chain = pem::certificates(&std::fs::read(folder.path(&format!("{name}.pem"))).unwrap()).unwrap();
        let key = rustls::pki_types::pem::PemObject::from_pem_file(folder.path(&format!("{name}.key"))).unwrap();
        shake(&server, trusting().with_client_auth_cert(chain, key).unwrap(), "localhost")
    };
    let anonymous = shake(&server, trusting().with_no_client_auth(), "localhost").unwrap();
    assert!(anonymous.peer_certificates().is_none());
    assert!(with("friend").unwrap().peer_certificates().is_some());
    assert!(with("stranger").is_err_and(|error| error.starts_with("server: ")));
}

#[test]
fn the_server_speaks_http_1_only() {
    let folder = Folder::new();
    folder.issue("server", &["localhost"]);
    let server = load(&folder.files("server.pem", "server.key", None)).unwrap();
    for (offered, agreed) in [(&["h2", "http/1.1"][..], true), (&["http/1.1"], true), (&[], true), (&["h2"], false)] {
        let mut config = client(Verification::CertificateAndName, folder.roots("ca.pem")).with_no_client_auth();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let protocol = shake(&server, config, "localhost").map(|server| server.alpn_protocol().map(<[u8]>::to_vec));
        assert_eq!(protocol.is_ok(), agreed, "{offered:?}: {protocol:?}");
        let expected = (!offered.is_empty()).then(|| b"http/1.1".to_vec());
        assert!(protocol.is_err() || protocol == Ok(expected), "{offered:?}");
    }
}

#[test]
fn an_upstreams_files_are_all_checked_and_each_error_names_its_own() {
    let folder = Folder::new();
    folder.issue("one", &["localhost"]).issue("two", &["localhost"]).write("garbage", b"hunter2");
    let built = |ca: Option<&str>, identity: Option<(&str, &str)>| {
        let identity = identity.map(|(certificate, key)| (folder.path(certificate), folder.path(key)));
        let tls = UpstreamTls { authorities: ca.map(|name| folder.path(name)), identity };
        build(&tls, reqwest::Client::builder()).map(|_| ()).map_err(lines)
    };
    assert_eq!(built(None, None), Ok(()));
    assert_eq!(built(Some("ca.pem"), Some(("one.pem", "one.key"))), Ok(()));
    for (ca, identity, named) in [
        (Some("garbage"), None, &["CA_FILE"][..]),
        (Some("missing"), Some(("absent", "gone")), &["CA_FILE", "CLIENT_CERT_FILE", "CLIENT_KEY_FILE"]),
        (None, Some(("one.pem", "gone")), &["CLIENT_KEY_FILE"]),
        (None, Some(("garbage", "one.key")), &["CLIENT_CERT_FILE"]),
        (Some("ca.pem"), Some(("one.pem", "two.key")), &["CLIENT_CERT_FILE"]),
    ] {
        let errors = built(ca, identity).unwrap_err();
        assert_eq!(errors.len(), named.len(), "{errors:?}");
        for (error, named) in errors.iter().zip(named) {
            assert!(error.starts_with(&format!("METRICS_PROXY_{named} ")), "{error}");
            assert!(error.contains("; accepted: ") && !error.contains("hunter2"), "{error}");
        }
    }
    let gone = folder.path("missing");
    let error = build_trusting("SOME_CA_FILE", Some(&gone), reqwest::Client::builder()).unwrap_err().to_string();
    assert!(error.starts_with("SOME_CA_FILE ") && error.contains("missing"), "{error}");
}

#[test]
fn paths_are_those_of_all_files() {
    let [a, b, c] = ["a", "b", "c"].map(std::path::PathBuf::from);
    let identity = Some((b.clone(), c.clone()));
    let upstream = |authorities, identity| UpstreamTls { authorities, identity }.paths();
    assert_eq!(upstream(Some(a.clone()), identity.clone()), [a.clone(), b.clone(), c.clone()]);
    assert_eq!((upstream(None, identity), upstream(None, None).len()), (vec![b.clone(), c.clone()], 0));
    let server = TlsFiles {
        certificate: a.clone(),
        key: b.clone(),
        client_ca: Some(c.clone()),
        client_ca_variable: "METRICS_TLS_CLIENT_CA_FILE",
    };
    assert_eq!(server.paths(), [a, b, c]);
}

#[test]
fn an_unknown_authority_is_the_only_cause_with_a_hint() {
    assert_eq!(authority_hint("connection refused", Some("X")), "");
    let hint = authority_hint("invalid peer certificate: UnknownIssuer", Some("X"));
    assert!(hint.starts_with("; ") && hint.ends_with(", or set X"), "{hint}");
    assert!(!authority_hint("UnknownIssuer", None).contains("or set"));
}

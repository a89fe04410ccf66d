//! A certificate authority for one test, made with openssl, and a client that trusts it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;

use crate::support::Answer;

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// Files of a certificate and its key.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// An authority with a folder of its own.
pub(crate) struct Authority {
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
            .unwrap();
        openssl(folder.path(), &format!("req -x509 {KEY} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"));
        Self { folder }
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Its own certificate.
    pub(crate) fn certificate(&self) -> String {
        self.path("ca.pem")
    }

    /// A certificate of localhost that it has signed, good for both sides of a connection.
    pub(crate) fn issue(&self, name: &str) -> Pair {
        self.issue_for(name, 30)
    }

    pub(crate) fn issue_for(&self, name: &str, days: u32) -> Pair {
        let folder = self.folder.path();
        openssl(folder, &format!("req {KEY} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
        let signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -extfile names";
        openssl(folder, &format!("x509 -req -in {name}.csr {signed} -days {days} -out {name}.pem"));
        Pair { certificate: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) }
    }

    /// A client that trusts it, and shows `pair` where it has one.
    pub(crate) fn client(&self, pair: Option<&Pair>) -> Https {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.certificate()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match pair {
            Some(pair) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(&pair.certificate).unwrap()],
                    PrivateKeyDer::from_pem_file(&pair.key).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        Https(Arc::new(config))
    }
}

pub(crate) fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl is needed: ./test installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A client of localhost.
pub(crate) struct Https(Arc<ClientConfig>);

pub(crate) type Secured = StreamOwned<ClientConnection, TcpStream>;

impl Https {
    pub(crate) fn connect(&self, port: u16) -> Secured {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let client = ClientConnection::new(Arc::clone(&self.0), "localhost".try_into().unwrap()).unwrap();
        StreamOwned::new(client, stream)
    }

    /// The answer, or why there is none.
    pub(crate) fn ask(&self, port: u16, path: &str, headers: &str) -> std::io::Result<Answer> {
        let mut stream = self.connect(port);
        let written = write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        // A server that refuses a certificate of TLS 1.3 says so when the client believes to be done.
        Answer::parse(&bytes).ok_or_else(|| written.err().or(read.err()).unwrap_or(std::io::ErrorKind::Other.into()))
    }

    pub(crate) fn get(&self, port: u16, path: &str) -> Answer {
        self.ask(port, path, "").unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }
}

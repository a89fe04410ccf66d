//! A real nginx with one server in it.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Killed, eventually, free_port};

pub(crate) struct Nginx {
    folder: TempDir,
    port: u16,
    /// TLS directives of the server.
    tls: Option<String>,
    process: Option<Killed>,
}

impl Nginx {
    /// Serves the files that are put and, before them, these locations.
    pub(crate) fn start(locations: &str) -> Self {
        Self::run(locations, None)
    }

    /// The same over TLS, with these directives.
    pub(crate) fn start_tls(locations: &str, directives: &str) -> Self {
        Self::run(locations, Some(directives.to_owned()))
    }

    fn run(locations: &str, tls: Option<String>) -> Self {
        let mut nginx = Self { folder: tempfile::tempdir().unwrap(), port: free_port(), tls, process: None };
        fs::create_dir(nginx.folder.path().join("files")).unwrap();
        // Started by root, its workers run as another user.
        Command::new("chmod").args(["-R", "a+rX"]).arg(nginx.folder.path()).status().unwrap();
        nginx.serve(locations);
        nginx
    }

    /// Serves these locations from now on.
    pub(crate) fn serve(&mut self, locations: &str) {
        let (folder, port) = (self.folder.path().display(), self.port);
        let (ssl, tls) = self.tls.as_ref().map_or(("", ""), |tls| (" ssl", tls.as_str()));
        let config = format!(
            "pid {folder}/pid; error_log {folder}/error.log; worker_processes 1; daemon off;
             events {{}}
             http {{
                access_log off;
                client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
                uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                server {{ listen 127.0.0.1:{port}{ssl}; root {folder}/files; {tls} {locations} }}
             }}"
        );
        let file = self.config();
        fs::write(&file, config).unwrap();
        // Started anew rather than reloaded: an old worker would go on answering for a moment.
        self.stop();
        let child = Command::new("nginx")
            .args(["-p", self.folder.path().to_str().unwrap(), "-c", file.to_str().unwrap()])
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is needed: ./test installs it");
        self.process = Some(Killed(child));
        eventually("nginx", Duration::from_secs(10), || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Killed outright, the master would leave its workers behind.
    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(libc::SIGTERM);
            let _ = process.0.wait();
        }
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("nginx.conf")
    }

    /// Puts a file under a path.
    pub(crate) fn put(&self, path: &str, content: &[u8]) {
        let file = self.folder.path().join("files").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.stop();
    }
}

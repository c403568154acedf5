//! Redis server for tests.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

/// Running Redis on a free port; killed when it is dropped.
pub(crate) struct TestRedis {
    port: u16,
    folder: TempDir,
    options: Vec<String>,
    is_tls: bool,
    child: Child,
}

impl TestRedis {
    pub(crate) fn start(options: &[&str]) -> Self {
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        let child = spawn(port, folder.path(), &options);
        Self {
            port,
            folder,
            options,
            is_tls: false,
            child,
        }
    }

    /// Starts a server that accepts only TLS. Returns the certificate of its CA as well.
    pub(crate) fn with_tls() -> (Self, String) {
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&key, &authority)
            .unwrap();
        let file = |name: &str, pem: &str| {
            let path = folder.path().join(name);
            fs::write(&path, pem).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (key, certificate) = (
            file("key.pem", &key.serialize_pem()),
            file("certificate.pem", &certificate.pem()),
        );
        let port_option = port.to_string();
        let options = [
            "--tls-port",
            &port_option,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
        ];
        let mut options = options.map(str::to_owned).to_vec();
        options.extend(["--tls-auth-clients", "no"].map(str::to_owned));
        let child = spawn(0, folder.path(), &options);
        (
            Self {
                port,
                folder,
                options,
                is_tls: true,
                child,
            },
            authority.pem(),
        )
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        format!("{scheme}://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        let plain_port = if self.is_tls { 0 } else { self.port };
        self.child = spawn(plain_port, self.folder.path(), &self.options);
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn spawn(port: u16, folder: &Path, options: &[String]) -> Child {
    let mut child = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--appendonly",
            "yes",
            "--dir",
        ])
        .arg(folder)
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need redis-server");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut output = Vec::new();
    let is_ready = lines.map_while(Result::ok).any(|line| {
        output.push(line.clone());
        line.contains("Ready to accept connections")
    });
    assert!(is_ready, "redis-server did not start: {output:?}");
    child
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

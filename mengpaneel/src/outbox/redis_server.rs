//! A real Redis, for tests.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use uuid::Uuid;

/// A Redis of its own, on a free port; killed when it is dropped.
pub(super) struct Server {
    port: u16,
    folder: PathBuf,
    options: Vec<&'static str>,
    child: Child,
}

impl Server {
    pub(super) fn start(options: &[&'static str]) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("mengpaneel-redis-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let child = spawn(port, &folder, options);
        Self { port, folder, options: options.to_vec(), child }
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// As `kill -9`.
    pub(super) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(super) fn start_again(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.options);
    }
}

fn spawn(port: u16, folder: &PathBuf, options: &[&str]) -> Child {
    let mut child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--save", "", "--appendonly", "yes", "--dir"])
        .arg(folder)
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .expect("these tests need redis-server");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut said = Vec::new();
    let is_ready = lines.map_while(Result::ok).any(|line| {
        said.push(line.clone());
        line.contains("Ready to accept connections")
    });
    assert!(is_ready, "redis-server did not start: {said:?}");
    child
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

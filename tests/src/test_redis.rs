//! Redis server for one test.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// `redis-server` that listens on a Unix socket in a temporary directory.
///
/// Dropping the value stops the server.
#[derive(Debug)]
pub struct TestRedis {
    server: Child,
    directory: TempDir,
}

impl TestRedis {
    /// Starts a server, and waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// If `redis-server` is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let directory = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
        Self {
            server: spawn(directory.path()),
            directory,
        }
    }

    /// Kills the server. All acknowledged writes are on its disk.
    pub fn kill(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }

    /// Starts the server again, with the same socket and data.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub fn restart(&mut self) {
        self.server = spawn(self.directory.path());
    }

    /// URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "redis+unix://{}",
            self.directory.path().join("socket").display()
        )
    }
}

fn spawn(directory: &Path) -> Child {
    let mut server = Command::new("redis-server")
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--unixsocket",
        ])
        .arg(directory.join("socket"))
        .arg("--dir")
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("redis-server, which this test needs, cannot be started: {error}")
        });
    let output = server
        .stdout
        .take()
        .map(|out| BufReader::new(out).lines().map_while(Result::ok));
    let is_ready = output
        .is_some_and(|mut lines| lines.any(|line| line.contains("eady to accept connections")));
    assert!(is_ready, "redis-server ended before it was ready");
    server
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

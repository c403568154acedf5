//! A Redis of one test's own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A `redis-server` that listens on a socket in a directory of its own, and ends when it is
/// dropped.
#[derive(Debug)]
pub struct Redis {
    server: Child,
    directory: PathBuf,
}

impl Redis {
    /// Starts one, and waits until it answers.
    ///
    /// # Panics
    ///
    /// Where `redis-server` is not installed, or does not start.
    #[must_use]
    pub fn start() -> Self {
        let name = format!("mengpaneel-{}", uuid::Uuid::new_v4().simple());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        Self {
            server: spawn(&directory),
            directory,
        }
    }

    /// Kills it, as a crash does. What it had answered for is on its disk.
    pub fn stop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }

    /// Starts it again, at the same place and with what it had.
    ///
    /// # Panics
    ///
    /// Where it does not start.
    pub fn start_again(&mut self) {
        self.server = spawn(&self.directory);
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.directory.join("socket").display())
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
    let said = server
        .stdout
        .take()
        .map(|out| BufReader::new(out).lines().map_while(Result::ok));
    let is_ready =
        said.is_some_and(|mut said| said.any(|line| line.contains("eady to accept connections")));
    assert!(is_ready, "redis-server ended before it was ready");
    server
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

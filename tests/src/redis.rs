//! A Redis of one test's own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A `redis-server` that listens on a socket in a directory of its own, and ends when it is dropped.
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
        std::fs::create_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let mut server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(directory.join("socket"))
            .arg("--dir")
            .arg(&directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("redis-server, which this test needs, cannot be started: {error}"));
        let said = server.stdout.take().map(|out| BufReader::new(out).lines().map_while(Result::ok));
        let is_ready = said.is_some_and(|mut said| said.any(|line| line.contains("eady to accept connections")));
        assert!(is_ready, "redis-server ended before it was ready");
        Self { server, directory }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.directory.join("socket").display())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

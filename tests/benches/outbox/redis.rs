//! A `redis-server` for one run.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Result;

/// Server on a free port, with an append-only file. Killed when dropped.
pub(crate) struct Redis {
    server: Child,
    url: String,
}

impl Redis {
    /// Starts a server that stores its data in `directory`, and waits until it accepts connections.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut command = Command::new("redis-server");
        command
            .args(["--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "yes", "--dir"])
            .arg(directory)
            .stdout(Stdio::piped());
        let mut redis = Self {
            server: command.spawn()?,
            url: format!("redis://127.0.0.1:{port}/"),
        };
        let stdout = redis.server.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(stdout)
            .lines()
            .map_while(std::result::Result::ok);
        lines
            .find(|line| line.contains("Ready to accept"))
            .ok_or("redis-server did not start")?;
        // A full pipe would block the server.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(redis)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

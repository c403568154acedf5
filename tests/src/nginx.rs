//! Caching nginx proxy for one test.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::test_app::TIMEOUT;

/// Names of the program. Debian installs it in a directory that only root has in the `PATH`.
const PROGRAMS: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

/// nginx with a `proxy_cache` that stores every response it may store, whatever the status.
///
/// The response header `X-Cache` is `HIT` or `MISS`. Dropping the value stops the server.
///
/// In nginx 1.22 the first of `Cache-Control: private` and `X-Accel-Expires: 300` wins.
/// actix-web sends headers in random order, so nginx stores such a response in some runs only.
#[derive(Debug)]
pub struct Nginx {
    /// Base URL of the proxy.
    pub url: String,
    server: Child,
    /// Removed on drop.
    _directory: TempDir,
}

impl Nginx {
    /// Starts a proxy of the base URL `upstream`, and waits until it accepts connections.
    ///
    /// # Panics
    ///
    /// If nginx is not installed or does not start.
    #[must_use]
    pub fn start(upstream: &str) -> Self {
        let directory = TempDir::new().unwrap_or_else(|error| panic!("{error}"));
        // Another process may take the free port before nginx does.
        for _ in 0..10 {
            if let Some((url, server)) = try_start(directory.path(), upstream) {
                return Self {
                    url,
                    server,
                    _directory: directory,
                };
            }
        }
        let log = std::fs::read_to_string(directory.path().join("error.log")).unwrap_or_default();
        panic!("nginx does not start: {log}");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Returns the URL and the process, or `None` if nginx exited.
fn try_start(directory: &Path, upstream: &str) -> Option<(String, Child)> {
    let free =
        TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("no free port: {error}"));
    let address = free
        .local_addr()
        .unwrap_or_else(|error| panic!("no free port: {error}"));
    drop(free);
    let config = directory.join("nginx.conf");
    let text = configuration(directory, &address.to_string(), upstream);
    std::fs::write(&config, text).unwrap_or_else(|error| panic!("{}: {error}", config.display()));
    let mut server = spawn(directory, &config);
    let until = Instant::now() + TIMEOUT;
    loop {
        if TcpStream::connect(address).is_ok() {
            return Some((format!("http://{address}"), server));
        }
        if server.try_wait().is_ok_and(|ended| ended.is_some()) {
            return None;
        }
        assert!(Instant::now() < until, "nginx does not listen");
        std::thread::yield_now();
    }
}

fn spawn(directory: &Path, config: &Path) -> Child {
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(directory)
            .arg("-e")
            .arg(directory.join("error.log"))
            .arg("-c")
            .arg(config);
        match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(server) => return server,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => panic!("{program} cannot be started: {error}"),
        }
    }
    panic!("nginx, which this test needs, is not installed: apt-get install nginx");
}

/// Configures one process that writes into `directory` only, so that any user can run it.
fn configuration(directory: &Path, listen: &str, upstream: &str) -> String {
    let directory = directory.display();
    let unused = ["fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {directory}/{name};"))
        .join("\n");
    format!(
        "daemon off;
master_process off;
pid {directory}/pid;
error_log {directory}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/client_body;
    proxy_temp_path {directory}/proxy;
    {unused}
    proxy_cache_path {directory}/cache keys_zone=pages:1m;
    server {{
        listen {listen};
        location / {{
            proxy_pass {upstream};
            proxy_set_header Host $http_host;
            proxy_cache pages;
            proxy_cache_key $request_uri;
            proxy_cache_valid any 10m;
            # A request waits while another one stores the same response.
            proxy_cache_lock on;
            add_header X-Cache $upstream_cache_status always;
        }}
    }}
}}
"
    )
}

//! An nginx of one test's own, which caches what stands behind it.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::workshop::DEADLINE;

/// Where Debian installs it, which is in the `PATH` of root only.
const PLACES: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

/// An nginx with a `proxy_cache` that keeps every response it may keep, whatever the status. It
/// ends when it is dropped. The response header `X-Cache` tells `HIT` and `MISS`.
///
/// In nginx 1.22 the first of `Cache-Control: private` and `X-Accel-Expires: 300` decides, and
/// actix-web sends headers in no particular order: such a response is kept at times.
#[derive(Debug)]
pub struct Nginx {
    /// Base URL.
    pub url: String,
    server: Child,
    directory: PathBuf,
}

impl Nginx {
    /// Starts one in front of `upstream`, a base URL, and waits until it answers.
    ///
    /// # Panics
    ///
    /// Where nginx is not installed, or does not start.
    #[must_use]
    pub fn start(upstream: &str) -> Self {
        let name = format!("mengpaneel-nginx-{}", uuid::Uuid::new_v4().simple());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        // Another process may take the free port before nginx does.
        for _ in 0..10 {
            if let Some((url, server)) = try_start(&directory, upstream) {
                return Self {
                    url,
                    server,
                    directory,
                };
            }
        }
        let log = std::fs::read_to_string(directory.join("error.log")).unwrap_or_default();
        panic!("nginx does not start: {log}");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

/// Returns the URL and the process, or `None` where nginx ended by itself.
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
    let until = Instant::now() + DEADLINE;
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
    for program in PLACES {
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

/// One process, which writes into `directory` alone: so it runs under any user.
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
            # Whoever asks while a response is still being stored waits for it.
            proxy_cache_lock on;
            add_header X-Cache $upstream_cache_status always;
        }}
    }}
}}
"
    )
}

//! A visitor over HTTP, and the programs around the blog.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use blog::{Blog, Config};
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};

/// URL of a library that no test loads; with it the blog asks no CDN at start-up.
pub const LIB_URL: &str = "https://lib.example/mixpanel.js";

/// One thread, and nothing outside of this machine.
pub fn config() -> Config {
    Config {
        workers: Some(1),
        lib_url: Some(LIB_URL.to_owned()),
        ..Config::default()
    }
}

/// A blog and a visitor who keeps cookies and follows no redirects.
pub struct Visitor {
    pub blog: Blog,
    pub client: Client,
}

impl Visitor {
    pub fn new() -> Self {
        Self::of(config())
    }

    pub fn of(config: Config) -> Self {
        let blog = Blog::start(config).unwrap();
        let client = Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .build()
            .unwrap();
        Self { blog, client }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client
            .get(self.blog.url() + path)
            .header(ACCEPT, "text/html")
    }

    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.client.post(self.blog.url() + path).form(form)
    }

    /// Sends a form as a browser does.
    pub async fn submit(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.post(path, form)
            .header(ACCEPT, "text/html")
            .send()
            .await
            .unwrap()
    }

    pub async fn sign_up(&self, email: &str) -> Response {
        self.submit("/users", &[("email", email), ("first_name", "Ada")])
            .await
    }

    pub async fn page(&self, path: &str) -> String {
        let response = self.get(path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }
}

/// Runs the program to its end.
pub fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blog"));
    command
        .args(arguments)
        .env("BIND", "127.0.0.1:0")
        .env("MIXPANEL_LIB_URL", LIB_URL);
    command.envs(variables.iter().copied()).output().unwrap()
}

/// A `redis-server` on a socket in a directory of its own, which ends when it is dropped.
pub struct RedisServer {
    server: Child,
    directory: PathBuf,
}

impl RedisServer {
    pub fn start() -> Self {
        let directory = std::env::temp_dir().join(format!("blog-redis-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(directory.join("socket"))
            .arg("--dir")
            .arg(&directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("redis-server, which this test needs, cannot be started: {error}")
            });
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let is_ready = lines
            .map_while(Result::ok)
            .any(|line| line.contains("eady to accept connections"));
        assert!(is_ready, "redis-server did not start");
        Self { server, directory }
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.directory.join("socket").display())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// The program while it runs; killed when it is dropped.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Base URL, from its first line.
    pub url: String,
}

impl Process {
    /// Starts the program on a free port, and waits until it listens. An empty value unsets a
    /// variable.
    pub fn start(variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blog"));
        command
            .env("BIND", "127.0.0.1:0")
            .env("MIXPANEL_LIB_URL", LIB_URL)
            .envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.strip_prefix("listening on ").unwrap().to_owned();
        Self { child, lines, url }
    }

    /// Next line of its output.
    pub fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// The home page, as a browser is given it.
    pub async fn home(&self) -> String {
        let request = Client::new().get(&self.url).header(ACCEPT, "text/html");
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

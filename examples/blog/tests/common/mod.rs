//! HTTP client of the blog, and processes of the blog and of Redis.
#![allow(dead_code, reason = "each test binary uses only some items")]

use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use blog::{Blog, Config};
use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};

/// URL of a library that no test loads. With it the blog does not contact the CDN at startup.
pub(crate) const LIB_URL: &str = "https://lib.example/mixpanel.js";

/// Configuration with one worker thread and no network access.
pub(crate) fn config() -> Config {
    Config {
        workers: Some(1),
        lib_url: Some(LIB_URL.to_owned()),
        ..Config::default()
    }
}

/// Blog, and an HTTP client that stores cookies and does not follow redirects.
pub(crate) struct Visitor {
    pub blog: Blog,
    pub client: Client,
}

impl Visitor {
    pub(crate) fn new() -> Self {
        Self::with_config(config())
    }

    pub(crate) fn with_config(config: Config) -> Self {
        let blog = Blog::start(config).unwrap();
        let client = Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .build()
            .unwrap();
        Self { blog, client }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client
            .get(self.blog.url() + path)
            .header(ACCEPT, "text/html")
    }

    pub(crate) fn post(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.client.post(self.blog.url() + path).form(form)
    }

    /// Sends a form, as a browser does.
    pub(crate) async fn submit(&self, path: &str, form: &[(&str, &str)]) -> Response {
        self.post(path, form)
            .header(ACCEPT, "text/html")
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn sign_up(&self, email: &str) -> Response {
        self.submit("/users", &[("email", email), ("first_name", "Ada")])
            .await
    }

    pub(crate) async fn page(&self, path: &str) -> String {
        let response = self.get(path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.unwrap()
    }
}

/// Runs the blog's program until it exits.
pub(crate) fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blog"));
    command
        .args(arguments)
        .env("BIND", "127.0.0.1:0")
        .env("MIXPANEL_LIB_URL", LIB_URL);
    command.envs(variables.iter().copied()).output().unwrap()
}

/// `redis-server` on a socket in a temporary directory. Dropping it stops the server.
pub(crate) struct RedisServer {
    server: Child,
    directory: PathBuf,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
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
                panic!("cannot start redis-server, which this test needs: {error}")
            });
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let is_ready = lines
            .map_while(Result::ok)
            .any(|line| line.contains("eady to accept connections"));
        assert!(is_ready, "redis-server did not start");
        Self { server, directory }
    }

    pub(crate) fn url(&self) -> String {
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

/// Running process of the blog. Dropping it kills the process.
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Base URL, from the first line of output.
    pub url: String,
}

impl Process {
    /// Starts the blog on a free port and waits until it listens. An empty value unsets a variable.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
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

    /// Reads the next line of output.
    pub(crate) fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    /// Fetches the home page, as a browser does.
    pub(crate) async fn home(&self) -> String {
        let request = Client::new().get(&self.url).header(ACCEPT, "text/html");
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits until the process exits.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

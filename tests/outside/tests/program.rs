//! Program of the README. Configured by its environment alone, it tracks visitors and machines.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use stand_in::StandIn;

/// Time limit of a test's wait for a condition.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Headers of a browser that navigates to a page.
const BROWSER: &str = "user-agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0.0.0\r\n\
    sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\nsec-fetch-site: same-origin\r\n";

/// Running program.
struct Program {
    process: Child,
    address: String,
}

impl Program {
    /// Starts the program for a project in the EU, with the mock as the API of Mixpanel.
    fn start(mixpanel: &StandIn) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let mut command = Command::new(env!("CARGO_BIN_EXE_mengpaneel-outside"));
        command
            .env("ADDRESS", &address)
            .env("MIXPANEL_TOKEN", "token")
            .env("MIXPANEL_REGION", "eu");
        let process = command
            .env("MIXPANEL_API_HOST", mixpanel.url())
            .spawn()
            .unwrap();
        let mut program = Self { process, address };
        let deadline = Instant::now() + TIMEOUT;
        while TcpStream::connect(&program.address).is_err() {
            let exit_status = program.process.try_wait().unwrap();
            assert!(
                exit_status.is_none() && Instant::now() < deadline,
                "the program does not listen; exit status: {exit_status:?}"
            );
            thread::yield_now();
        }
        program
    }

    /// Sends a request, and returns the whole response.
    fn send(&self, method: &str, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let host = &self.address;
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        write!(stream, "{request}content-length: 0\r\n{headers}\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Sends SIGTERM to the program, and asserts that it exits successfully.
    fn terminate(mut self) {
        let kill = ["-c", "kill -TERM \"$0\"", &self.process.id().to_string()];
        assert!(Command::new("sh").args(kill).status().unwrap().success());
        assert!(
            self.process.wait().unwrap().success(),
            "the program failed at exit"
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.kill());
    }
}

/// Returns a header with the cookie that mixpanel-js sets on the first page, and the cookies that a
/// response sets.
fn cookie_header(response: &str) -> String {
    let device = "mp_token_mixpanel=%7B%22distinct_id%22%3A%22%24device%3A1%22%2C%22%24device_id%22%3A%221%22%7D";
    let set = response
        .lines()
        .filter_map(|line| line.strip_prefix("set-cookie: "));
    let pairs: Vec<_> = std::iter::once(device)
        .chain(set.filter_map(|cookie| cookie.split(';').next()))
        .collect();
    format!("cookie: {}\r\n", pairs.join("; "))
}

#[test]
fn event_of_a_machine_is_sent_by_the_server() {
    let mixpanel = StandIn::start();
    let program = Program::start(&mixpanel);
    assert!(
        program
            .send("POST", "/users/7", "")
            .starts_with("HTTP/1.1 303")
    );
    program.terminate();
    let events = mixpanel.store().counted_as("Sign Up");
    assert_eq!(events.len(), 1, "{:?}", mixpanel.store().refused());
    assert_eq!(*events[0].property("ID"), 7);
}

#[test]
fn event_of_a_visitor_is_sent_by_the_next_page() {
    let mixpanel = StandIn::start();
    let program = Program::start(&mixpanel);
    let home = program.send("GET", "/", BROWSER);
    let redirect = program.send(
        "POST",
        "/users/42",
        &format!("{BROWSER}{}", cookie_header(&home)),
    );
    assert!(redirect.starts_with("HTTP/1.1 303"), "{redirect}");
    let page = program.send(
        "GET",
        "/",
        &format!("{BROWSER}{}", cookie_header(&redirect)),
    );
    for part in [
        "this.identify(\"42\");",
        "this.track(\"Sign Up\"",
        "https://api-eu.mixpanel.com",
    ] {
        assert!(page.contains(part), "no {part}: {page}");
    }
    program.terminate();
    assert!(
        mixpanel.store().events().is_empty(),
        "the server sent the event as well"
    );
}

#[test]
fn dependencies_match_those_of_the_readme() {
    let readme = include_str!("../../../README.md");
    let block = readme
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let manifest = include_str!("../Cargo.toml");
    let (mut lines, mut count) = (block.lines().map(str::trim), 0);
    while let Some(line) = lines.find(|line| !line.is_empty()) {
        let is_mengpaneel =
            line == "mengpaneel = { git = \"https://github.com/mengpaneel/mengpaneel\" }";
        assert!(
            is_mengpaneel || manifest.lines().any(|dependency| dependency == line),
            "differs from Cargo.toml: {line}"
        );
        count += 1;
    }
    assert_eq!(count, 4, "the block has a different number of lines");
}

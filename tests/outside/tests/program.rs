//! The README's program, run: by its environment alone it tracks what visitors and machines do.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use stand_in::StandIn;

/// How long a test waits for a condition.
const DEADLINE: Duration = Duration::from_secs(30);

/// Headers of a browser that shows the response as a page.
const BROWSER: &str = "user-agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/130.0.0.0\r\n\
    sec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\nsec-fetch-site: same-origin\r\n";

/// The program while it runs.
struct Program {
    process: Child,
    address: String,
}

impl Program {
    /// Starts the program for a project in the EU, whose API the stand-in has.
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
        let until = Instant::now() + DEADLINE;
        while TcpStream::connect(&program.address).is_err() {
            let ended = program.process.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < until,
                "the program does not listen; ended: {ended:?}"
            );
            thread::yield_now();
        }
        program
    }

    /// Makes one request, and returns the whole response.
    fn ask(&self, method: &str, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let host = &self.address;
        let request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        write!(stream, "{request}content-length: 0\r\n{headers}\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Ends the program as an operator does, and asserts that it ended well.
    fn terminate(mut self) {
        let kill = ["-c", "kill -TERM \"$0\"", &self.process.id().to_string()];
        assert!(Command::new("sh").args(kill).status().unwrap().success());
        assert!(
            self.process.wait().unwrap().success(),
            "the program did not end well"
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.process.kill());
    }
}

/// A header with mixpanel-js's cookie, which the browser has from the first page, and those that a response sets.
fn cookies(response: &str) -> String {
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
fn program_sends_a_machines_event_to_mixpanel() {
    let mixpanel = StandIn::start();
    let program = Program::start(&mixpanel);
    assert!(
        program
            .ask("POST", "/users/7", "")
            .starts_with("HTTP/1.1 303")
    );
    program.terminate();
    let arrived = mixpanel.store().counted_as("Sign Up");
    assert_eq!(arrived.len(), 1, "{:?}", mixpanel.store().refused());
    assert_eq!(*arrived[0].property("ID"), 7);
}

#[test]
fn program_has_the_next_page_send_a_visitors_event() {
    let mixpanel = StandIn::start();
    let program = Program::start(&mixpanel);
    let home = program.ask("GET", "/", BROWSER);
    let redirect = program.ask("POST", "/users/42", &format!("{BROWSER}{}", cookies(&home)));
    assert!(redirect.starts_with("HTTP/1.1 303"), "{redirect}");
    let page = program.ask("GET", "/", &format!("{BROWSER}{}", cookies(&redirect)));
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
        "the server sent it as well"
    );
}

/// Lines of the README's block of dependencies, without spaces.
#[test]
fn dependencies_are_those_of_the_readme() {
    let readme = include_str!("../../../README.md");
    let block = readme
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let manifest = include_str!("../Cargo.toml");
    let (mut shown, mut used) = (block.lines().map(str::trim), 0);
    while let Some(line) = shown.find(|line| !line.is_empty()) {
        let is_mengpaneel =
            line == "mengpaneel = { git = \"https://github.com/mengpaneel/mengpaneel\" }";
        assert!(
            is_mengpaneel || manifest.lines().any(|own| own == line),
            "not as in Cargo.toml: {line}"
        );
        used += 1;
    }
    assert_eq!(used, 4, "the block has another number of lines");
}

//! What each sends, where to, and what that took.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use memchr::memmem;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// How many events each sends.
pub const EVENTS: usize = 100_000;

/// The properties of an event, as an application has them; each peer takes them in its own way.
#[derive(Serialize)]
pub struct Properties {
    #[serde(rename = "Title")]
    pub title: &'static str,
    #[serde(rename = "Number")]
    pub number: usize,
    #[serde(rename = "Plan")]
    pub plan: &'static str,
}

/// The properties of one of them.
pub fn properties(number: usize) -> Properties {
    Properties {
        title: "A post about something",
        number,
        plan: "Pro",
    }
}

/// Whose event it is: one of a thousand.
pub fn user(number: usize) -> String {
    format!("user-{}", number % 1_000)
}

/// A server that takes everything, as fast as it can, and counts events.
pub struct Sink {
    /// Its base URL.
    pub url: String,
}

impl Sink {
    /// The sink of another process, whose CPU and memory are not counted here.
    pub fn named() -> Self {
        let url = std::env::args()
            .nth(1)
            .expect("the sink's URL is the first argument");
        Self { url }
    }

    /// Serves on a free port, for ever.
    pub fn serve(started: impl FnOnce(String)) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        started(format!(
            "http://{}",
            listener.local_addr().expect("an address")
        ));
        let events = Arc::new(AtomicUsize::new(0));
        for stream in listener.incoming().flatten() {
            let events = Arc::clone(&events);
            thread::spawn(move || serve(&stream, &events));
        }
    }

    /// How many events it has by now; counted from when it was last asked.
    pub fn count(&self) -> usize {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the sink is there");
        stream
            .write_all(b"GET /count HTTP/1.1\r\nconnection: close\r\n\r\n")
            .expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
            .rsplit('\n')
            .next()
            .and_then(|count| count.parse().ok())
            .expect("a number")
    }
}

/// One connection.
fn serve(stream: &TcpStream, events: &AtomicUsize) -> Option<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let mut first = String::new();
        reader
            .read_line(&mut first)
            .ok()
            .filter(|length| *length > 0)?;
        let (mut length, mut is_gzip, mut line) = (0, false, String::new());
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let header = line.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if header == "expect: 100-continue" {
                writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
            }
            is_gzip |= header == "content-encoding: gzip";
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        if is_gzip {
            let mut plain = Vec::new();
            GzDecoder::new(&body[..]).read_to_end(&mut plain).ok()?;
            body = plain;
        }
        let answer = if first.starts_with("GET /count") {
            events.swap(0, Ordering::SeqCst).to_string()
        } else {
            events.fetch_add(count(&body), Ordering::SeqCst);
            // What Mixpanel and PostHog say to what they take; `/track` says less unless it is asked for more.
            let is_terse = first.contains("verbose=0");
            if is_terse {
                "1".to_owned()
            } else {
                r#"{"code":200,"status":1}"#.to_owned()
            }
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        writer
            .write_all(format!("{head}{answer}").as_bytes())
            .ok()?;
        if first.starts_with("GET /count") {
            return None;
        }
    }
}

/// How many events stand in a body: JSON, or a form whose `data` is JSON, in base64 or not.
fn count(body: &[u8]) -> usize {
    let seen = |body: &[u8], key: &[u8]| memmem::find_iter(body, key).count();
    match body.strip_prefix(b"data=") {
        None => seen(body, b"\"event\":"),
        Some(data) => match STANDARD.decode(data) {
            Ok(json) => seen(&json, b"\"event\":"),
            Err(_) => seen(data, b"%22event%22%3A"),
        },
    }
}

/// A run that is being measured.
pub struct Run {
    name: &'static str,
    begun: Instant,
    cpu: Duration,
    enqueued: Option<Duration>,
}

impl Run {
    /// Begins.
    pub fn begin(name: &'static str) -> Self {
        Self {
            name,
            begun: Instant::now(),
            cpu: cpu(),
            enqueued: None,
        }
    }

    /// The last event was handed in.
    pub fn enqueued(&mut self) {
        self.enqueued = Some(self.begun.elapsed());
    }

    /// The last event was delivered.
    pub fn end(self, sink: &Sink, sent: usize) {
        let (took, used) = (self.begun.elapsed(), cpu() - self.cpu);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / sent as f64;
        let enqueue = self
            .enqueued
            .map_or("-".to_owned(), |time| format!("{:.2} µs", each(time)));
        let arrived = sink.count();
        println!(
            "| {} | {enqueue} | {:.0} | {:.2} µs | {} MiB | {arrived} |",
            self.name,
            sent as f64 / took.as_secs_f64(),
            each(used),
            peak_memory() / 1024,
        );
    }
}

/// The CPU time of this process, all threads together.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("it is not before zero")
}

/// The most memory that this process had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok())
        .expect("a peak")
}

//! A server that accepts every batch as fast as it can, and counts events.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use memchr::memmem;

/// Client of a sink in another process, so that the sink's CPU and memory are not measured.
pub struct SinkClient {
    /// Base URL of the sink.
    pub url: String,
}

impl SinkClient {
    /// Reads the sink's URL from the first argument of this program.
    pub fn from_args() -> Self {
        let url = std::env::args()
            .nth(1)
            .expect("the sink's URL is the first argument");
        Self { url }
    }

    /// Returns the number of events that arrived since the last call.
    pub fn take_count(&self) -> usize {
        let address = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("a running sink");
        stream
            .write_all(b"GET /count HTTP/1.1\r\nconnection: close\r\n\r\n")
            .expect("an open connection");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        response
            .rsplit('\n')
            .next()
            .and_then(|count| count.parse().ok())
            .expect("a number")
    }
}

/// Runs a sink on a free port until the process ends. `on_started` gets the sink's URL.
pub fn serve_sink(on_started: impl FnOnce(String)) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound port");
    on_started(format!("http://{address}"));
    let events = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming().flatten() {
        let events = Arc::clone(&events);
        thread::spawn(move || serve_connection(&stream, &events));
    }
}

/// Head of a request, as far as the sink reads it.
struct Head {
    request_line: String,
    body_bytes: usize,
    is_gzip: bool,
}

/// Answers the requests of one connection. Returns `None` when the connection ends.
fn serve_connection(stream: &TcpStream, events: &AtomicUsize) -> Option<()> {
    let (mut reader, mut writer) = (BufReader::new(stream), stream);
    loop {
        let head = read_head(&mut reader, writer)?;
        let mut body = vec![0; head.body_bytes];
        reader.read_exact(&mut body).ok()?;
        if head.is_gzip {
            let mut decoded = Vec::new();
            GzDecoder::new(&body[..]).read_to_end(&mut decoded).ok()?;
            body = decoded;
        }
        let is_count = head.request_line.starts_with("GET /count");
        let response = if is_count {
            events.swap(0, Ordering::SeqCst).to_string()
        } else {
            events.fetch_add(count_events(&body), Ordering::SeqCst);
            // Body of Mixpanel and PostHog; Mixpanel's `/track` is terse without `verbose=1`.
            if head.request_line.contains("verbose=0") {
                "1".to_owned()
            } else {
                r#"{"code":200,"status":1}"#.to_owned()
            }
        };
        let response_head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            response.len()
        );
        writer
            .write_all(format!("{response_head}{response}").as_bytes())
            .ok()?;
        if is_count {
            return None;
        }
    }
}

/// Reads a request's head, and answers `Expect: 100-continue`.
fn read_head(reader: &mut BufReader<&TcpStream>, mut writer: &TcpStream) -> Option<Head> {
    let mut head = Head {
        request_line: String::new(),
        body_bytes: 0,
        is_gzip: false,
    };
    reader
        .read_line(&mut head.request_line)
        .ok()
        .filter(|length| *length > 0)?;
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            return Some(head);
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            head.body_bytes = value.trim().parse().ok()?;
        }
        if header == "expect: 100-continue" {
            writer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
        }
        head.is_gzip |= header == "content-encoding: gzip";
    }
}

/// Counts the events in a body: JSON, or a form whose `data` is JSON, in base64 or not.
fn count_events(body: &[u8]) -> usize {
    let occurrences = |body: &[u8], key: &[u8]| memmem::find_iter(body, key).count();
    match body.strip_prefix(b"data=") {
        None => occurrences(body, b"\"event\":"),
        Some(data) => match STANDARD.decode(data) {
            Ok(json) => occurrences(&json, b"\"event\":"),
            Err(_) => occurrences(data, b"%22event%22%3A"),
        },
    }
}

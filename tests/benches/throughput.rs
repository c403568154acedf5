//! How many 30 KB pages a second one worker serves over loopback, with and without mengpaneel, by
//! turns in one run. `cargo bench -p mengpaneel-tests --bench throughput`
//!
//! All have a session. With mengpaneel, each page carries a setup and an event. What its mere bytes
//! cost is told by a page without mengpaneel that is as long as the one with it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};
use mengpaneel::Mengpaneel;

const CONNECTIONS: usize = 8;
// Many short ones: what else the machine does meanwhile falls on all ways alike.
const ROUND: Duration = Duration::from_millis(150);
const ROUNDS: usize = 60;

fn page() -> String {
    let article = "<article><h2>Somebody wrote this</h2><p>And somebody reads it, again &amp; again.</p></article>\n";
    let head = "<meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Notes</title>";
    format!(
        "<!doctype html>\n<html><head>{head}</head>\n<body>\n{}</body></html>\n",
        article.repeat(300)
    )
}

async fn bare(page: web::Data<String>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page.get_ref().clone())
}

#[mengpaneel::setup(identify("42"), people.set("$email" = "ada@blog.example", "$first_name" = "Ada"))]
#[mengpaneel::track("View Notes", "Title" = "Notes", "Number" = 1, "Draft" = false)]
async fn tracked(page: web::Data<String>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page.get_ref().clone())
}

/// A server of one worker, on a thread of its own that ends with the process.
fn serve(mengpaneel: Option<Mengpaneel>, page: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("{error}"));
    let address = listener
        .local_addr()
        .unwrap_or_else(|error| panic!("{error}"));
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let key = Key::generate();
        let page = web::Data::new(page);
        let run = async move {
            let server = match mengpaneel {
                Some(mengpaneel) => HttpServer::new(move || {
                    let route = web::get().to(tracked);
                    App::new()
                        .app_data(page.clone())
                        .route("/", route)
                        .wrap(mengpaneel.clone())
                        .wrap(SessionMiddleware::new(
                            CookieSessionStore::default(),
                            key.clone(),
                        ))
                })
                .workers(1)
                .listen(listener)?
                .run(),
                None => HttpServer::new(move || {
                    App::new()
                        .app_data(page.clone())
                        .route("/", web::get().to(bare))
                        .wrap(SessionMiddleware::new(
                            CookieSessionStore::default(),
                            key.clone(),
                        ))
                })
                .workers(1)
                .listen(listener)?
                .run(),
            };
            send.send(()).map_err(std::io::Error::other)?;
            server.await
        };
        System::new()
            .block_on(run)
            .unwrap_or_else(|error| panic!("{error}"));
    });
    receive.recv().unwrap_or_else(|error| panic!("{error}"));
    address
}

/// Asks for pages over kept connections until the round is over, and gives how many came a second.
fn round(address: SocketAddr) -> f64 {
    let started = Instant::now();
    let visitors: Vec<_> = (0..CONNECTIONS)
        .map(|_| thread::spawn(move || visit(address, started + ROUND)))
        .collect();
    let pages: u32 = visitors
        .into_iter()
        .map(|visitor| visitor.join().unwrap_or_default())
        .sum();
    f64::from(pages) / started.elapsed().as_secs_f64()
}

fn visit(address: SocketAddr, until: Instant) -> u32 {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{error}"));
    let mut buffer = vec![0; 128 * 1024];
    let mut pages = 0;
    while Instant::now() < until {
        ask(&mut stream, &mut buffer);
        pages += 1;
    }
    pages
}

/// How long the page is that is served there.
fn length_of(address: SocketAddr) -> usize {
    let mut stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{error}"));
    ask(&mut stream, &mut vec![0; 128 * 1024])
}

/// Asks for a page, reads it whole, and gives its length.
fn ask(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let asked = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\nsec-fetch-mode: navigate\r\n\
        user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36\r\n\r\n";
    stream
        .write_all(asked)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut read = 0;
    let mut page: Option<(usize, usize)> = None;
    loop {
        read += stream
            .read(&mut buffer[read..])
            .unwrap_or_else(|error| panic!("{error}"));
        if page.is_none()
            && let Some(end) = buffer[..read]
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
        {
            page = Some((end + 4, length(&buffer[..end])));
        }
        if let Some((_, length)) = page.filter(|(start, length)| read >= start + length) {
            return length;
        }
    }
}

fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or_else(|| panic!("no length: {head}"))
}

fn main() {
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host("http://127.0.0.1:1")
        .build();
    let without = serve(None, page());
    let with = serve(
        Some(mengpaneel.unwrap_or_else(|error| panic!("{error}"))),
        page(),
    );
    let length = length_of(with);
    let as_long = serve(None, format!("{:<length$}", page()));
    for address in [without, as_long, with] {
        round(address);
    }
    let rounds: Vec<[f64; 3]> = (0..ROUNDS)
        .map(|_| [without, as_long, with].map(round))
        .collect();
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let [bare, long, tracked] =
        [0, 1, 2].map(|way| median(rounds.iter().map(|round| round[way]).collect()));
    let [floor, ratio] =
        [1, 2].map(|way| median(rounds.iter().map(|round| round[way] / round[0]).collect()));
    println!(
        "a page of {} bytes, by one worker over {CONNECTIONS} connections",
        page().len()
    );
    println!("without mengpaneel {bare:>8.0} a second");
    println!("the same, as long  {long:>8.0} a second: {floor:.2} ({length} bytes)");
    println!("with mengpaneel    {tracked:>8.0} a second: {ratio:.2} (medians of {ROUNDS} rounds)");
}

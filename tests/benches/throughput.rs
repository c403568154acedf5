//! Pages of 30 KB per second that one worker serves over loopback, with and without mengpaneel.
//! `cargo bench -p mengpaneel-tests --bench throughput`
//!
//! All three servers have a session. With mengpaneel, each page carries a setup and an event. A page
//! without mengpaneel, padded to the same length, shows what the additional bytes alone cost. The
//! servers alternate in short rounds, so that other load on the machine disturbs all alike.

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
const ROUND: Duration = Duration::from_millis(150);
const ROUNDS: usize = 60;
/// Size of the buffer that a response has to fit into.
const MAX_RESPONSE_BYTES: usize = 128 * 1024;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/html\r\nsec-fetch-mode: navigate\r\n\
    user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36\r\n\r\n";

fn page() -> String {
    let article = "<article><h2>Somebody wrote this</h2><p>And somebody reads it, again &amp; again.</p></article>\n";
    let head = "<meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>Notes</title>";
    format!(
        "<!doctype html>\n<html><head>{head}</head>\n<body>\n{}</body></html>\n",
        article.repeat(300)
    )
}

async fn untracked(page: web::Data<String>) -> HttpResponse {
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

/// Starts a server of one worker, on a thread that ends with the process.
fn start_server(mengpaneel: Option<Mengpaneel>, page: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound port");
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
                        .route("/", web::get().to(untracked))
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
        System::new().block_on(run).expect("a running server");
    });
    receive.recv().expect("a started server");
    address
}

/// Pages per second over all connections, in one round.
fn measure_round(address: SocketAddr) -> f64 {
    let started = Instant::now();
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| thread::spawn(move || request_until(address, started + ROUND)))
        .collect();
    let pages: u32 = connections
        .into_iter()
        .map(|connection| connection.join().expect("a connection without a failure"))
        .sum();
    f64::from(pages) / started.elapsed().as_secs_f64()
}

/// Requests pages over one keep-alive connection, and returns their number.
fn request_until(address: SocketAddr, deadline: Instant) -> u32 {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let mut buffer = vec![0; MAX_RESPONSE_BYTES];
    let mut pages = 0;
    while Instant::now() < deadline {
        request_page(&mut stream, &mut buffer);
        pages += 1;
    }
    pages
}

/// Requests a page, reads the whole response, and returns the length of its body.
fn request_page(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    stream.write_all(REQUEST).expect("an open connection");
    let mut read = 0;
    let mut body: Option<(usize, usize)> = None;
    loop {
        read += stream.read(&mut buffer[read..]).expect("a response");
        if body.is_none()
            && let Some(end) = buffer[..read]
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
        {
            body = Some((end + 4, content_length(&buffer[..end])));
        }
        if let Some((_, length)) = body.filter(|(start, length)| read >= start + length) {
            return length;
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length
        .and_then(|length| length.trim().parse().ok())
        .unwrap_or_else(|| panic!("no Content-Length: {head}"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host("http://127.0.0.1:1")
        .build()
        .expect("valid settings");
    let without = start_server(None, page());
    let with = start_server(Some(mengpaneel), page());
    let mut stream = TcpStream::connect(with).expect("a connection");
    let length = request_page(&mut stream, &mut vec![0; MAX_RESPONSE_BYTES]);
    drop(stream);
    let padded = start_server(None, format!("{:<length$}", page()));
    let servers = [without, padded, with];
    for address in servers {
        measure_round(address);
    }
    let rounds: Vec<[f64; 3]> = (0..ROUNDS).map(|_| servers.map(measure_round)).collect();
    let rate = |server: usize| median(rounds.iter().map(|round| round[server]).collect());
    let ratio = |server: usize| {
        let ratios = rounds.iter().map(|round| round[server] / round[0]);
        median(ratios.collect())
    };
    println!(
        "page of {} bytes, one worker, {CONNECTIONS} connections, medians of {ROUNDS} rounds",
        page().len()
    );
    println!("without mengpaneel      {:>8.0} pages/s", rate(0));
    println!(
        "without, padded         {:>8.0} pages/s  ratio {:.2} ({length} bytes)",
        rate(1),
        ratio(1)
    );
    println!(
        "with mengpaneel         {:>8.0} pages/s  ratio {:.2}",
        rate(2),
        ratio(2)
    );
}

//! Disabled tracking: without a token, Mengpaneel changes no response.

use std::sync::mpsc;

use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::{App, HttpResponse, HttpServer, get, web};
use mengpaneel::Mengpaneel;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[mengpaneel::track("View", "Name" = name.as_str())]
#[get("/page/{name}")]
async fn page(name: web::Path<String>) -> HttpResponse {
    mengpaneel::setup(|mixpanel| mixpanel.identify(1));
    let html = format!("<!doctype html><html><head></head><body>{name}</body></html>");
    HttpResponse::Ok()
        .content_type("text/html")
        .insert_header(("etag", "\"1\""))
        .body(html)
}

#[get("/redirect")]
async fn redirect() -> HttpResponse {
    mengpaneel::track("Redirect", ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/page/a"))
        .finish()
}

#[get("/stream")]
async fn streamed() -> HttpResponse {
    let parts = ["<!doctype html><head>", "</head><body>"]
        .map(|part| Ok::<_, actix_web::Error>(web::Bytes::from(part)));
    HttpResponse::Ok()
        .content_type("text/html")
        .streaming(futures_util::stream::iter(parts))
}

async fn visit() {
    mengpaneel::setup(|mixpanel| mixpanel.identify(1));
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(page).service(redirect).service(streamed);
}

/// Middleware around the routes.
#[derive(Clone)]
enum Wrap {
    Nothing,
    Clone(Mengpaneel),
    WithSetup(Mengpaneel),
}

/// Serves the same routes with or without mengpaneel, on a thread that ends with the test.
fn serve(wrap: Wrap) -> std::net::SocketAddr {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let sessions =
            || SessionMiddleware::new(CookieSessionStore::default(), Key::from(&[7; 64]));
        actix_web::rt::System::new().block_on(async move {
            macro_rules! run {
                ($app:expr) => {{
                    let server = HttpServer::new(move || $app.wrap(sessions())).workers(1);
                    let server = server.bind("127.0.0.1:0").unwrap();
                    send.send(server.addrs()[0]).unwrap();
                    server.run()
                }};
            }
            let app = || App::new().configure(routes);
            let server = match wrap {
                Wrap::Nothing => run!(app()),
                Wrap::Clone(mengpaneel) => run!(
                    app()
                        .wrap(mengpaneel.before(visit))
                        .wrap(mengpaneel.clone())
                ),
                Wrap::WithSetup(mengpaneel) => run!(app().wrap(mengpaneel.with_setup(visit))),
            };
            server.await.unwrap();
        });
    });
    receive.recv().unwrap()
}

/// Returns the raw response without its date, with its headers sorted.
///
/// actix-web writes headers in random order.
async fn raw_response(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    let text = String::from_utf8(response).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head
        .split("\r\n")
        .filter(|line| !line.starts_with("date: "))
        .collect();
    lines.sort_unstable();
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

#[tokio::test]
async fn responses_are_unchanged_without_token() {
    let mengpaneel = Mengpaneel::builder("").build().unwrap();
    let disabled = [
        serve(Wrap::Clone(mengpaneel.clone())),
        serve(Wrap::WithSetup(mengpaneel)),
    ];
    let bare = serve(Wrap::Nothing);
    for (method, path) in [
        ("GET", "/page/a"),
        ("HEAD", "/page/a"),
        ("GET", "/redirect"),
        ("GET", "/stream"),
        ("GET", "/none"),
    ] {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: blog.example\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n\
             X-Mengpaneel-Flush-Capable: true\r\nConnection: close\r\n\r\n"
        );
        let expected = raw_response(bare, &request).await;
        for address in disabled {
            assert_eq!(
                raw_response(address, &request).await,
                expected,
                "{method} {path}"
            );
        }
    }
}

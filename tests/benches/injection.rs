//! Time that injecting the snippet adds to serving a page, beside a copy of the page and beside
//! `lol_html`. `cargo bench -p mengpaneel-tests --bench injection`
//!
//! mengpaneel is measured from outside: one call of an Actix service, up to the last piece of the
//! response's body. The snippet that `lol_html` inserts is the one that the library rendered.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::hint::black_box;
use std::pin::pin;
use std::time::{Duration, Instant};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, http::header, rt::System};
use lol_html::html_content::ContentType;
use lol_html::{HtmlRewriter, Settings, element};
use mengpaneel::Mengpaneel;

const ROUNDS: usize = 100;
/// Duration of one measurement within a round.
const SLICE: Duration = Duration::from_millis(2);

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="csrf-token" content="7c0f9a3e5b1d48c2a6e0f4d8b2967135">
<meta name="description" content="Notes on measuring an application, and on reading what was measured.">
<title>Notes on measuring</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/application-0123456789abcdef.css">
<style>
:root { color-scheme: light dark; --line: #8884; --soft: #888; --accent: #6f4ce6 }
body { margin: 0 auto; max-width: 44rem; padding: 1.5rem; font: 16px/1.6 system-ui, sans-serif }
nav { display: flex; gap: 1rem; align-items: center; padding-bottom: .75rem; border-bottom: 1px solid var(--line) }
</style>
<script src="/assets/application-0123456789abcdef.js" defer></script>
"#;

/// Page of about `size` bytes, and the insertion point: the end of its head.
fn page(size: usize) -> (Bytes, usize) {
    let mut page = format!("{HEAD}</head>\n<body>\n");
    let mut number = 0;
    while page.len() + 16 < size {
        number += 1;
        let _ = writeln!(
            page,
            "<article class=\"post\" id=\"post-{number}\"><h2><a href=\"/posts/{number}\">Post {number}</a></h2>\
             <p>Somebody wrote this &amp; somebody reads it, <em>again and again</em>.</p></article>"
        );
    }
    page.push_str("</body>\n</html>\n");
    (page.into(), HEAD.len())
}

/// Answers with the page under another media type, which is never injected into.
async fn text(page: Data<Bytes>) -> HttpResponse {
    respond("text/plain; charset=utf-8", &page)
}

async fn html(page: Data<Bytes>) -> HttpResponse {
    respond("text/html; charset=utf-8", &page)
}

#[mengpaneel::setup(identify("42"), people.set("$email" = "ada@blog.example"))]
#[mengpaneel::track("View Notes", "Title" = "Notes", "Number" = 1, "Draft" = false)]
async fn tracked(page: Data<Bytes>) -> HttpResponse {
    respond("text/html; charset=utf-8", &page)
}

fn respond(content_type: &str, page: &Data<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .body(Bytes::clone(page))
}

/// Adds the three routes to an app.
fn routes(page: Bytes) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(Data::new(page))
            .route("/text", web::get().to(text))
            .route("/html", web::get().to(html))
            .route("/tracked", web::get().to(tracked));
    }
}

fn request(path: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header((header::HOST, "127.0.0.1"))
        .insert_header((header::ACCEPT, "text/html"))
        .insert_header(("sec-fetch-mode", "navigate"))
        .insert_header((
            header::USER_AGENT,
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
        ))
}

/// Calls the service, and reads the body as a server does: piece by piece, without joining them.
async fn serve<S, R, B>(service: &S, request: R) -> Vec<Bytes>
where
    S: Service<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let response = service.call(request).await.expect("a response");
    let mut body = pin!(response.into_body());
    let mut pieces = Vec::with_capacity(4);
    while let Some(piece) = poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        pieces.push(piece.unwrap_or_else(|_| panic!("the body broke off")));
    }
    pieces
}

/// Time of one service call. The requests are built beforehand.
async fn time_call<S, R, B>(service: &S, requests: Vec<R>) -> Duration
where
    S: Service<R, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let count = u32::try_from(requests.len()).expect("few requests");
    let started = Instant::now();
    for request in requests {
        black_box(serve(service, request).await);
    }
    started.elapsed() / count
}

/// Time of one run of `work`, repeated for `SLICE`.
fn time<T>(work: impl Fn() -> T) -> Duration {
    let started = Instant::now();
    black_box(work());
    let repeats = (SLICE.as_nanos() / started.elapsed().as_nanos().max(1)).clamp(1, 4000);
    let repeats = u32::try_from(repeats).unwrap_or(u32::MAX);
    let started = Instant::now();
    for _ in 0..repeats {
        black_box(work());
    }
    started.elapsed() / repeats
}

/// Inserts the snippet as `lol_html` does it.
fn rewrite(page: &[u8], snippet: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(page.len() + snippet.len());
    let settings = Settings::new().append_element_content_handler(element!("head", |head| {
        head.append(snippet, ContentType::Html);
        Ok(())
    }));
    let mut rewriter = HtmlRewriter::new(settings, |chunk: &[u8]| out.extend_from_slice(chunk));
    rewriter.write(page).expect("a page");
    rewriter.end().expect("a whole page");
    out
}

/// Snippet that the library inserted into `page`.
///
/// # Panics
///
/// Panics if the snippet stands elsewhere than at the end of the head, if it holds no call, or if
/// the library copied what surrounds the calls: the bench would measure something else.
fn snippet_of(served: &[Bytes], page: &Bytes, at: usize) -> String {
    let [before, shared, calls, after] = served else {
        panic!("an injected page has four pieces, not {}", served.len());
    };
    assert_eq!(*before, page.slice(..at), "the snippet ends the head");
    assert_eq!(*after, page.slice(at..), "the rest of the page follows");
    assert!(shared.starts_with(b"<script>"), "the snippet is a script");
    let calls = String::from_utf8_lossy(calls);
    for call in ["this.identify(\"42\")", "this.track(\"View Notes\""] {
        assert!(calls.contains(call), "the snippet holds {call}: {calls}");
    }
    String::from_utf8_lossy(shared).into_owned() + &calls
}

/// Measures one page size and prints its rows.
async fn measure(mengpaneel: &Mengpaneel, size: usize) {
    let (page, at) = page(size);
    let bare = init_service(App::new().configure(routes(page.clone()))).await;
    let app = App::new().configure(routes(page.clone()));
    let with = init_service(app.wrap(mengpaneel.clone())).await;

    let served = serve(&with, request("/tracked").to_request()).await;
    let snippet = snippet_of(&served, &page, at);
    assert_eq!(
        served.concat(),
        rewrite(&page, &snippet),
        "both insert the same at the same place"
    );
    let again = serve(&with, request("/tracked").to_request()).await;
    assert_eq!(
        again[1].as_ptr(),
        served[1].as_ptr(),
        "pages share the beginning of the snippet"
    );
    let text = serve(&with, request("/text").to_request()).await;
    assert_eq!(
        text,
        std::slice::from_ref(&page),
        "text is not injected into"
    );
    let html = serve(&with, request("/html").to_request()).await;
    assert_eq!(html.len(), 4, "a page without calls gets the loader");

    let requests = |path| (0..200).map(|_| request(path).to_request()).collect();
    // Least of many alternating rounds: other load on the machine disturbs all alike.
    let mut least = [Duration::MAX; 6];
    for _ in 0..ROUNDS {
        let round = [
            time(|| Bytes::copy_from_slice(black_box(&page))),
            time(|| rewrite(black_box(&page), &snippet)),
            time_call(&bare, requests("/html")).await,
            time_call(&with, requests("/text")).await,
            time_call(&with, requests("/html")).await,
            time_call(&with, requests("/tracked")).await,
        ];
        for (least, now) in least.iter_mut().zip(round) {
            *least = now.min(*least);
        }
    }
    let [copy, lol_html, bare, text, html, tracked] = least;
    println!("page of {} bytes", page.len());
    println!("  copy of the page                        {copy:>9.2?}");
    println!("  lol_html                                {lol_html:>9.2?}");
    println!("  service call without mengpaneel         {bare:>9.2?}");
    println!("  with mengpaneel, not a page             {text:>9.2?}");
    println!("  with mengpaneel, a page without calls   {html:>9.2?}");
    println!("  with mengpaneel, a page with calls      {tracked:>9.2?}");
    let row = |label, added: Duration| {
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        println!(
            "  {label:<38}  {added:>9.2?} {:>6.1} copies, lol_html takes {:.1} times as long",
            ratio(added, copy),
            ratio(lol_html, added),
        );
    };
    row("injection alone", html.saturating_sub(text));
    row(
        "all of mengpaneel: record, inject",
        tracked.saturating_sub(bare),
    );
}

fn main() {
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host("http://127.0.0.1:1")
        .build()
        .expect("valid settings");
    System::new().block_on(async {
        for size in [1_000, 30_000, 300_000] {
            measure(&mengpaneel, size).await;
        }
    });
}

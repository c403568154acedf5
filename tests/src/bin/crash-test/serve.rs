//! Child processes: a server whose routes record an event and an increment, and a worker.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::rt::System;
use actix_web::web::Redirect;
use actix_web::{App, HttpServer, post, web};
use mengpaneel::{Mengpaneel, outbox};

use crate::option;

/// Records an event and an increment of the user of this number.
fn record(number: u64) {
    mengpaneel::identify(format!("person-{number}"));
    mengpaneel::track("Event", serde_json::json!({"number": number}));
    mengpaneel::people().increment("Count", 1);
}

#[post("/now/{number}")]
async fn now(number: web::Path<u64>) -> String {
    record(*number);
    "recorded".to_owned()
}

/// Delays the event to a page that no client requests.
#[post("/delayed/{number}")]
async fn delayed(number: web::Path<u64>) -> Redirect {
    record(*number);
    Redirect::to("/").see_other()
}

fn mengpaneel(args: &[String], concurrency: usize) -> Result<Mengpaneel, String> {
    let outbox = outbox(&option(args, "--outbox", ""))?;
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host(option(args, "--api-host", ""))
        .outbox(outbox)
        .concurrency(concurrency)
        .fallback_after(Duration::from_secs(1))
        // The parent process reads these lines.
        .on_error(|failure| {
            for message in &failure.messages {
                let line = format!(
                    "undelivered: {} {}\n",
                    message["$distinct_id"].as_str().unwrap_or("nobody"),
                    failure.reason
                );
                drop(std::io::stdout().lock().write_all(line.as_bytes()));
            }
        })
        .build();
    mengpaneel.map_err(|error| error.to_string())
}

/// Opens the outbox. A Redis reclaims the records of a killed worker after three seconds.
fn outbox(url: &str) -> Result<Arc<dyn outbox::Outbox>, String> {
    if url.starts_with("redis") {
        return Ok(Arc::new(
            outbox::Redis::new(url).claim_after(Duration::from_secs(3)),
        ));
    }
    outbox::from_url(url).map_err(|error| error.to_string())
}

/// `serve --outbox URL --api-host URL --concurrency N`: prints its address, then serves.
pub(crate) fn web(args: &[String]) -> Result<(), String> {
    let concurrency = option(args, "--concurrency", "1")
        .parse()
        .map_err(|error| format!("--concurrency: {error}"))?;
    let mengpaneel = mengpaneel(args, concurrency)?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let result = System::new().block_on(async move {
        let key = Key::generate();
        let server = HttpServer::new(move || {
            let session = SessionMiddleware::new(CookieSessionStore::default(), key.clone());
            App::new()
                .service(now)
                .service(delayed)
                .wrap(mengpaneel.clone())
                .wrap(session)
        });
        let server = server.workers(1).listen(listener)?.run();
        println!("listening on http://{address}");
        server.await
    });
    result.map_err(|error| error.to_string())
}

/// `work --outbox URL --api-host URL`: delivers until it is killed.
pub(crate) fn worker(args: &[String]) -> Result<(), String> {
    let mengpaneel = mengpaneel(args, 2)?;
    println!("working");
    loop {
        std::thread::park();
        let _ = &mengpaneel;
    }
}

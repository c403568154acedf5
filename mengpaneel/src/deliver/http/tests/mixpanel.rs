//! A server that answers as it is told, and keeps what it was sent.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Script {
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<VecDeque<Answer>>,
    /// The most items that it takes at once.
    limit: Option<usize>,
}

pub(crate) type Answer = (u16, Option<&'static str>, Value);

/// Answers as it was told, and with 200 once that is said.
pub(crate) struct Mixpanel {
    script: Arc<Script>,
    pub(crate) url: String,
    handle: ServerHandle,
}

impl Drop for Mixpanel {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

impl Mixpanel {
    pub(crate) fn answering(answers: Vec<Answer>) -> Self {
        Self::start(Script {
            answers: Mutex::new(answers.into()),
            ..Script::default()
        })
    }

    /// Takes no more than so many at once.
    pub(crate) fn limited(limit: usize) -> Self {
        Self::start(Script {
            limit: Some(limit),
            ..Script::default()
        })
    }

    fn start(script: Script) -> Self {
        let script = Arc::new(script);
        let data = Data::from(script.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .app_data(PayloadConfig::new(20_000_000))
                .default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            script,
            url,
            handle,
        }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.script.seen.lock().unwrap()
    }
}

async fn answer(request: HttpRequest, body: Bytes, script: Data<Script>) -> HttpResponse {
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let encoding = header("content-encoding");
    let mut text = String::new();
    match encoding.as_deref() {
        Some("gzip") => GzDecoder::new(&body[..]).read_to_string(&mut text),
        _ => Read::read_to_string(&mut &body[..], &mut text),
    }
    .unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    let count = body.as_array().unwrap().len();
    script.seen.lock().unwrap().push(Seen {
        path: request.uri().to_string(),
        authorization: header("authorization"),
        encoding,
        body,
    });
    if script.limit.is_some_and(|limit| count > limit) {
        return HttpResponse::PayloadTooLarge().finish();
    }
    let next = script.answers.lock().unwrap().pop_front();
    let (status, retry_after, body) = next.unwrap_or((200, None, json!({"status": 1})));
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    if let Some(retry_after) = retry_after {
        response.insert_header(("retry-after", retry_after));
    }
    match body {
        Value::String(text) => response.body(text),
        body => response.json(body),
    }
}

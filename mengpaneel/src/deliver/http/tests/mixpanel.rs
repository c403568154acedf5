//! Fake Mixpanel server with scripted responses that records its requests.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

/// Received request.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) encoding: Option<String>,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Script {
    requests: Mutex<Vec<ReceivedRequest>>,
    responses: Mutex<VecDeque<Response>>,
    /// Most items per request.
    limit: Option<usize>,
}

/// Status, `Retry-After` and body of a response.
pub(crate) type Response = (u16, Option<&'static str>, Value);

/// Fake server that sends the scripted responses, and then status 200.
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
    pub(crate) fn with_responses(responses: Vec<Response>) -> Self {
        Self::start(Script {
            responses: Mutex::new(responses.into()),
            ..Script::default()
        })
    }

    /// Starts a server that accepts at most `limit` items per request.
    pub(crate) fn with_limit(limit: usize) -> Self {
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
                .default_service(web::to(respond))
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

    pub(crate) fn requests(&self) -> MutexGuard<'_, Vec<ReceivedRequest>> {
        self.script.requests.lock().unwrap()
    }
}

async fn respond(request: HttpRequest, body: Bytes, script: Data<Script>) -> HttpResponse {
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
    script.requests.lock().unwrap().push(ReceivedRequest {
        path: request.uri().to_string(),
        authorization: header("authorization"),
        encoding,
        body,
    });
    if script.limit.is_some_and(|limit| count > limit) {
        return HttpResponse::PayloadTooLarge().finish();
    }
    let next = script.responses.lock().unwrap().pop_front();
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

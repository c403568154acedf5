//! The endpoints over HTTP, for servers and, across origins, for browsers.

use std::future::ready;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::ErrorPayloadTooLarge;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpRequest, HttpResponse};

use crate::faults::Fault;
use crate::live::{self, LivePage};
use crate::received::{Endpoint, Head, Request, now};
use crate::store::{Entry, Store};
use crate::take::{self, Answer};

/// Largest body in bytes that is read; the endpoints' own limits are smaller.
const MAX_BODY: usize = 64 << 20;

/// Path of the small library.
pub(crate) const SMALL_LIBRARY_PATH: &str = "/mixpanel-small.js";

/// Replacement for mixpanel-js, for pages that cannot load it from Mixpanel.
const SMALL_LIBRARY: &str = include_str!("mixpanel-small.js");

/// Mounts the endpoints and the live page (`/live`) in an application, under its scope's prefix:
///
/// ```
/// use actix_web::{App, web};
/// use stand_in::Store;
///
/// let store = Store::default();
/// let app = App::new()
///     .service(web::scope("/mixpanel").configure(stand_in::configure(&store)));
/// ```
pub fn configure(store: &Store) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let store = store.clone();
    move |config| {
        for endpoint in Endpoint::ALL {
            mount(endpoint, &store, config);
        }
        live::configure(store.clone(), &LivePage::default(), config);
        config.route(
            "/lib.js",
            web::get().to(move || ready(library(store.library()))),
        );
        config.route(
            SMALL_LIBRARY_PATH,
            web::get().to(|| ready(script(SMALL_LIBRARY))),
        );
    }
}

/// Mounts an endpoint, with and without a slash at its end, as mixpanel-js sends.
fn mount(endpoint: Endpoint, store: &Store, config: &mut web::ServiceConfig) {
    let path = endpoint.path();
    let store = store.clone();
    config.service(
        web::resource([path.to_owned(), format!("{path}/")])
            .route(
                web::post().to(move |request: HttpRequest, payload: web::Payload| {
                    receive(endpoint, head(&request), payload, store.clone())
                }),
            )
            .wrap(from_fn(across_origins)),
    );
}

/// mixpanel-js itself, where there is one to serve.
fn library(source: Option<Bytes>) -> HttpResponse {
    match source {
        Some(source) => script(source),
        None => HttpResponse::NotFound().body("no mixpanel-js was given to this stand-in"),
    }
}

/// A script that pages of any origin may load.
fn script(source: impl MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/javascript; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .body(source)
}

async fn receive(
    endpoint: Endpoint,
    head: Head,
    payload: web::Payload,
    store: Store,
) -> Result<HttpResponse, Error> {
    let body = raw_body(payload).await?;
    let at = now();
    let head = Arc::new(head);
    let fault = store.next_fault(endpoint);
    if fault == Some(Fault::Stall) {
        store.stalled().await;
    }
    let (status, response) = match fault {
        Some(Fault::Status(status)) => (Some(status), failure(status, store.retry_after_now())),
        Some(Fault::Close) => (None, no_answer()),
        Some(Fault::LoseAnswer) => {
            take::take(endpoint, &head, &body, &store);
            (None, no_answer())
        }
        Some(Fault::Stall) | None => {
            let answer = take::take(endpoint, &head, &body, &store);
            (Some(answer.status), response(&answer))
        }
    };
    store.add([Entry::Request(Request {
        endpoint,
        head,
        bytes: body.len(),
        at,
        status,
    })]);
    Ok(response)
}

/// Reads a body as the client sent it.
///
/// The extractor `Bytes` decompresses where one of actix-web's `compress-*` features is on, as they
/// are by default, and leaves `Content-Encoding` as it was: the endpoints would decompress a second
/// time.
async fn raw_body(payload: web::Payload) -> Result<Bytes, Error> {
    payload
        .to_bytes_limited(MAX_BODY)
        .await
        .map_err(ErrorPayloadTooLarge)?
}

fn head(request: &HttpRequest) -> Head {
    let headers = request.headers().iter();
    Head {
        ip: request.peer_addr().map(|peer| peer.ip().to_string()),
        params: url::form_urlencoded::parse(request.query_string().as_bytes())
            .into_owned()
            .collect(),
        headers: headers
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
    }
}

fn response(answer: &Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).json(&answer.body)
}

fn failure(status: u16, retry_after: Option<u64>) -> HttpResponse {
    let answer = Answer {
        status,
        body: serde_json::json!({"code": status, "error": "out of order", "status": "Error"}),
    };
    let mut response = response(&answer);
    if let Some(seconds) = retry_after {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A response that breaks before its first byte: the server then closes the connection.
fn no_answer() -> HttpResponse {
    HttpResponse::with_body(StatusCode::OK, BoxBody::new(BrokenBody))
}

struct BrokenBody;

impl MessageBody for BrokenBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }
}

/// Lets scripts of any page send here, with cookies, as mixpanel-js does.
async fn across_origins(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let asked = |name: HeaderName| request.headers().get(name).cloned();
    let Some(origin) = asked(header::ORIGIN) else {
        return next
            .call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body);
    };
    let wanted = asked(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let mut response = if request.method() == Method::OPTIONS {
        request.into_response(HttpResponse::NoContent())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    allow(response.headers_mut(), origin, wanted);
    Ok(response)
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue, wanted: Option<HeaderValue>) {
    let methods = HeaderValue::from_static("POST, OPTIONS");
    let yes = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(wanted) = wanted {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    }
}

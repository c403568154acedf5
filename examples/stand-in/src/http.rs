//! HTTP server of the endpoints, with CORS for browsers.

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

use crate::endpoints::{self, ApiResponse};
use crate::faults::Fault;
use crate::live::{self, LivePage};
use crate::received::{Endpoint, Head, Request, now};
use crate::store::{Entry, Store};

/// Largest request body in bytes. The limits of the endpoints are smaller.
const MAX_BODY_BYTES: usize = 64 << 20;

/// Path of the small library.
pub(crate) const SMALL_LIBRARY_PATH: &str = "/mixpanel-small.js";

/// Replacement for mixpanel-js, for pages that cannot load it from Mixpanel.
const SMALL_LIBRARY: &str = include_str!("mixpanel-small.js");

/// Mounts the endpoints and the live page (`/live`) in an application or in a scope:
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

/// Mounts an endpoint with and without a trailing slash, because mixpanel-js sends one.
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
            .wrap(from_fn(allow_cors)),
    );
}

/// Serves mixpanel-js if a test provided it.
fn library(source: Option<Bytes>) -> HttpResponse {
    match source {
        Some(source) => script(source),
        None => HttpResponse::NotFound()
            .body("this stand-in has no mixpanel-js; call `serve_library` first"),
    }
}

/// Serves a script that pages of any origin can load.
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
        store.wait_while_stalled().await;
    }
    let (status, response) = match fault {
        Some(Fault::Status(status)) => (Some(status), failure(status, store.retry_after_seconds())),
        Some(Fault::Close) => (None, broken_response()),
        Some(Fault::LoseResponse) => {
            endpoints::handle(endpoint, &head, &body, &store);
            (None, broken_response())
        }
        Some(Fault::Stall) | None => {
            let answered = endpoints::handle(endpoint, &head, &body, &store);
            (Some(answered.status), response(&answered))
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

/// Reads a body as sent, without decompression.
///
/// The extractor `Bytes` decompresses if one of actix-web's `compress-*` features is on, as they are
/// by default. It leaves `Content-Encoding` in place, so that the endpoints would decompress again.
async fn raw_body(payload: web::Payload) -> Result<Bytes, Error> {
    payload
        .to_bytes_limited(MAX_BODY_BYTES)
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

fn response(response: &ApiResponse) -> HttpResponse {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status).json(&response.body)
}

fn failure(status: u16, retry_after: Option<u64>) -> HttpResponse {
    let response_body = ApiResponse {
        status,
        body: serde_json::json!({"code": status, "error": "injected failure", "status": "Error"}),
    };
    let mut response = response(&response_body);
    if let Some(seconds) = retry_after {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Builds a response whose body fails before its first byte, so that the server closes the
/// connection.
fn broken_response() -> HttpResponse {
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

/// Allows cross-origin requests with credentials from any origin, as mixpanel-js sends them.
async fn allow_cors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let header = |name: HeaderName| request.headers().get(name).cloned();
    let Some(origin) = header(header::ORIGIN) else {
        return next
            .call(request)
            .await
            .map(ServiceResponse::map_into_boxed_body);
    };
    let requested_headers = header(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let mut response = if request.method() == Method::OPTIONS {
        request.into_response(HttpResponse::NoContent())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    set_cors_headers(response.headers_mut(), origin, requested_headers);
    Ok(response)
}

fn set_cors_headers(
    headers: &mut HeaderMap,
    origin: HeaderValue,
    requested_headers: Option<HeaderValue>,
) {
    let methods = HeaderValue::from_static("POST, OPTIONS");
    let allowed = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, allowed);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(requested) = requested_headers {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested);
    }
}

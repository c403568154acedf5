//! Injection of the snippet: affected responses, unaffected responses, and the headers of both.

mod pages;
mod streams;

use std::convert::Infallible;

use actix_web::http::StatusCode;
use actix_web::web::Bytes;
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use futures_util::stream;
use serde::Deserialize;

const PAGE: &str = "<!doctype html><html><head><title>x</title></head><body>Hello</body></html>";

/// Form of the response.
#[derive(Deserialize)]
struct ResponseSpec {
    #[serde(default = "html")]
    content_type: String,
    #[serde(default = "ok")]
    status: u16,
    /// Headers, as `name: value|name: value`.
    #[serde(default)]
    headers: String,
    /// Body: `utf-16`, `stream`, or the text itself.
    #[serde(default)]
    body: Option<String>,
}

fn html() -> String {
    "text/html; charset=utf-8".into()
}

fn ok() -> u16 {
    200
}

async fn respond(spec: web::Query<ResponseSpec>) -> HttpResponse {
    mengpaneel::track("View", ());
    let mut response = HttpResponseBuilder::new(StatusCode::from_u16(spec.status).unwrap());
    response.content_type(spec.content_type.as_str());
    for (name, value) in spec
        .headers
        .split('|')
        .filter_map(|header| header.split_once(": "))
    {
        response.append_header((name, value));
    }
    match spec.body.as_deref() {
        Some("utf-16") => {
            let units = "\u{feff}<html><head></head></html>".encode_utf16();
            response.body(units.flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
        }
        Some("stream") => response.streaming(stream::iter([Ok::<_, Infallible>(
            Bytes::from_static(PAGE.as_bytes()),
        )])),
        Some(other) => response.body(other.to_owned()),
        None if spec.status == 204 || spec.status == 304 => response.finish(),
        None => response.body(PAGE),
    }
}

/// Returns the path of a response of this form.
fn spec_path(spec: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::from("/response?"));
    query.extend_pairs(spec);
    query.finish()
}

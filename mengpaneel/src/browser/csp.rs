//! stub
#![allow(missing_docs, unused)]
use actix_web::http::header::HeaderMap;
pub enum Verdict {
    Allowed,
    Nonce(String),
    Forbidden(String),
}
pub fn check(h: &HeaderMap) -> Verdict {
    Verdict::Allowed
}

//! What each endpoint does with a request: the records it takes, and its answer.

mod import;
mod objects;

use std::sync::Arc;

use serde_json::Value;

use crate::received::{Endpoint, Head};
use crate::store::Store;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Takes what is to be taken of a request.
pub(crate) fn take(endpoint: Endpoint, head: &Arc<Head>, bytes: &[u8], store: &Store) -> Answer {
    match endpoint {
        Endpoint::Import => import::import(head, bytes, store),
        other => objects::objects(other, head, bytes, store),
    }
}

fn is_gzip(head: &Head) -> bool {
    head.header("content-encoding")
        .is_some_and(|encoding| encoding.eq_ignore_ascii_case("gzip"))
}

fn milliseconds_now() -> i64 {
    i64::try_from(crate::received::now()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

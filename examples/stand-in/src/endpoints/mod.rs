//! Endpoints of Mixpanel's API: validation, storage and response.

mod import;
mod records;

use std::sync::Arc;

use serde_json::Value;

use crate::received::{Endpoint, Head};
use crate::store::Store;

/// Response of an endpoint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiResponse {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// Validates a request's records, stores them, and returns the response.
pub(crate) fn handle(
    endpoint: Endpoint,
    head: &Arc<Head>,
    bytes: &[u8],
    store: &Store,
) -> ApiResponse {
    match endpoint {
        Endpoint::Import => import::import(head, bytes, store),
        other => records::records(other, head, bytes, store),
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

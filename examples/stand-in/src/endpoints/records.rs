//! `/track`, `/engage` and `/groups`: each record contains the project's token. The status is 200,
//! and the body is 1 if at least one record was valid.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ApiResponse, is_gzip, milliseconds_now};
use crate::body::{self, BodyError};
use crate::received::{Endpoint, Head, Received, Refused};
use crate::rules;
use crate::store::{Entry, Store};

pub(super) fn records(
    endpoint: Endpoint,
    head: &Arc<Head>,
    bytes: &[u8],
    store: &Store,
) -> ApiResponse {
    let records = match parse(endpoint, head, bytes) {
        Ok(records) => records,
        Err(error) => {
            let status = if error == BodyError::TooLarge {
                413
            } else {
                200
            };
            return response(head, status, Some(&error.to_string()));
        }
    };
    let now = milliseconds_now();
    let mut valid = 0;
    let mut first_error = None;
    let mut entries = Vec::with_capacity(records.len());
    for record in records {
        let rejection = match check(endpoint, &record, now, store) {
            Ok(true) => None,
            Ok(false) => Some("is older than five days and dropped silently".to_owned()),
            Err(message) => {
                first_error.get_or_insert(message.clone());
                Some(message)
            }
        };
        valid += usize::from(rejection.is_none());
        entries.push(match rejection {
            None => Entry::Received(Received::new(endpoint, head, record)),
            Some(message) => Entry::Refused(Refused {
                endpoint,
                body: record,
                message,
            }),
        });
    }
    store.add(entries);
    match first_error {
        Some(error) if valid == 0 => response(head, 200, Some(&error)),
        _ => response(head, 200, None),
    }
}

fn parse(endpoint: Endpoint, head: &Head, bytes: &[u8]) -> Result<Vec<Value>, BodyError> {
    let gzip = is_gzip(head);
    if gzip && endpoint != Endpoint::Track {
        return Err(BodyError::Malformed(format!(
            "{endpoint} does not accept gzip"
        )));
    }
    body::form(&body::decompress(bytes, gzip)?)
}

/// Checks a record. `Ok(false)` means that it is dropped silently.
fn check(endpoint: Endpoint, record: &Value, now: i64, store: &Store) -> Result<bool, String> {
    let checked = match endpoint {
        Endpoint::Engage => rules::engage(record).map(|()| true),
        Endpoint::Groups => rules::groups(record).map(|()| true),
        Endpoint::Track | Endpoint::Import => rules::track(record, now),
    };
    let is_kept = checked.map_err(|violation| violation.to_string())?;
    if store.rejects(record) {
        return Err("is rejected by the test".to_owned());
    }
    Ok(is_kept)
}

fn response(head: &Head, status: u16, error: Option<&str>) -> ApiResponse {
    let status_field = u8::from(error.is_none());
    let verbose = matches!(head.param("verbose"), Some("1" | "2"));
    let body = if verbose {
        json!({"status": status_field, "error": error})
    } else {
        json!(status_field)
    };
    ApiResponse { status, body }
}

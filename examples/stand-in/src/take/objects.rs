//! `/track`, `/engage` and `/groups`: every record names its project itself, and the answer is 1
//! where at least one was good. It is 200 in any case.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, is_gzip, milliseconds_now};
use crate::body::{self, BodyError};
use crate::received::{Endpoint, Head, Received, Refused};
use crate::rules;
use crate::store::{Entry, Store};

pub(super) fn objects(endpoint: Endpoint, head: &Arc<Head>, bytes: &[u8], store: &Store) -> Answer {
    let records = match records(endpoint, head, bytes) {
        Ok(records) => records,
        Err(error) => {
            let status = if error == BodyError::TooLarge {
                413
            } else {
                200
            };
            return answer(head, status, Some(&error.to_string()));
        }
    };
    let now = milliseconds_now();
    let mut good = 0;
    let mut first_error = None;
    let mut entries = Vec::with_capacity(records.len());
    for record in records {
        let refused = match check(endpoint, &record, now, store) {
            Ok(true) => None,
            Ok(false) => Some("is older than five days and dropped without a word".to_owned()),
            Err(message) => {
                first_error.get_or_insert(message.clone());
                Some(message)
            }
        };
        good += usize::from(refused.is_none());
        entries.push(match refused {
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
        Some(error) if good == 0 => answer(head, 200, Some(&error)),
        _ => answer(head, 200, None),
    }
}

fn records(endpoint: Endpoint, head: &Head, bytes: &[u8]) -> Result<Vec<Value>, BodyError> {
    let gzip = is_gzip(head);
    if gzip && endpoint != Endpoint::Track {
        return Err(BodyError::Malformed(format!("{endpoint} takes no gzip")));
    }
    body::form(&body::decompress(bytes, gzip)?)
}

/// `Ok(false)` for what is dropped without a word.
fn check(endpoint: Endpoint, record: &Value, now: i64, store: &Store) -> Result<bool, String> {
    let checked = match endpoint {
        Endpoint::Engage => rules::engage(record).map(|()| true),
        Endpoint::Groups => rules::groups(record).map(|()| true),
        Endpoint::Track | Endpoint::Import => rules::track(record, now),
    };
    let kept = checked.map_err(|broken| broken.to_string())?;
    if store.refuses(record) {
        return Err("is refused".to_owned());
    }
    Ok(kept)
}

fn answer(head: &Head, status: u16, error: Option<&str>) -> Answer {
    let good = u8::from(error.is_none());
    let verbose = matches!(head.param("verbose"), Some("1" | "2"));
    let body = if verbose {
        json!({"status": good, "error": error})
    } else {
        json!(good)
    };
    Answer { status, body }
}

//! `/import`: credentials, then every event by itself; the good ones of a bad batch are taken.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Answer, is_gzip, milliseconds_now};
use crate::body::{self, BodyError};
use crate::received::{Endpoint, Head, Received, Refused};
use crate::rules::{self, Broken};
use crate::store::{Entry, Store};

pub(super) fn import(head: &Arc<Head>, bytes: &[u8], store: &Store) -> Answer {
    if let Err(message) = authorized(head) {
        return failed(401, "Unauthorized", message);
    }
    let events = match events(head, bytes) {
        Ok(events) => events,
        Err(error @ BodyError::TooLarge) => {
            return failed(413, "Request Entity Too Large", &error.to_string());
        }
        Err(error) => return failed(400, "Bad Request", &error.to_string()),
    };
    let now = milliseconds_now();
    let count = events.len();
    let mut entries = Vec::with_capacity(count);
    let mut failures = Vec::new();
    for (index, event) in events.into_iter().enumerate() {
        match check(&event, now, store) {
            Ok(()) => {
                entries.push(Entry::Received(Received::new(
                    Endpoint::Import,
                    head,
                    event,
                )));
            }
            Err(broken) => {
                failures.push(json!({
                    "index": index,
                    "insert_id": event["properties"]["$insert_id"],
                    "field": broken.field,
                    "message": broken.to_string(),
                }));
                entries.push(Entry::Refused(Refused {
                    endpoint: Endpoint::Import,
                    body: event,
                    message: broken.to_string(),
                }));
            }
        }
    }
    store.add(entries);
    answer(count, &failures, head.param("strict") == Some("1"))
}

/// Without `strict`, what is invalid disappears without a word.
fn answer(count: usize, failures: &[Value], strict: bool) -> Answer {
    let imported = count - failures.len();
    if failures.is_empty() || !strict {
        return Answer {
            status: 200,
            body: json!({"code": 200, "num_records_imported": imported, "status": "OK"}),
        };
    }
    Answer {
        status: 400,
        body: json!({
            "code": 400,
            "error": "some data points in the request failed validation",
            "failed_records": failures,
            "num_records_imported": imported,
            "status": "Bad Request",
        }),
    }
}

fn failed(status: u16, name: &str, error: &str) -> Answer {
    Answer {
        status,
        body: json!({"code": status, "error": error, "status": name}),
    }
}

/// The project's token without a password, or a service account with the project's ID.
fn authorized(head: &Head) -> Result<(), &'static str> {
    let credentials = head.header("authorization").and_then(body::basic);
    match credentials {
        Some((user, _)) if user.is_empty() => Err("the user of the credentials is empty"),
        Some((_, password)) if password.is_empty() => Ok(()),
        Some(_) if head.param("project_id").is_none() => {
            Err("a service account needs the parameter project_id")
        }
        Some(_) => Ok(()),
        None => Err("no credentials, or none of the scheme Basic"),
    }
}

fn events(head: &Head, bytes: &[u8]) -> Result<Vec<Value>, BodyError> {
    let kind = head.header("content-type").unwrap_or_default();
    let lines = kind.starts_with("application/x-ndjson");
    if !lines && !kind.starts_with("application/json") {
        return Err(BodyError::Malformed(format!(
            "Content-Type is {kind:?}, not application/json or application/x-ndjson"
        )));
    }
    body::json(&body::decompress(bytes, is_gzip(head))?, lines)
}

fn check(event: &Value, now: i64, store: &Store) -> Result<(), Broken> {
    rules::import(event, now)?;
    if store.refuses(event) {
        return Err(Broken {
            field: "event".to_owned(),
            message: "is refused".to_owned(),
        });
    }
    Ok(())
}

//! `/import`: checks the credentials, then each event. Valid events of a batch are accepted.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{ApiResponse, is_gzip, milliseconds_now};
use crate::body::{self, BodyError};
use crate::received::{Endpoint, Head, Received, Refused};
use crate::rules::{self, RuleViolation};
use crate::store::{Entry, Store};

pub(super) fn import(head: &Arc<Head>, bytes: &[u8], store: &Store) -> ApiResponse {
    if let Err(message) = authorize(head) {
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
            Err(violation) => {
                failures.push(json!({
                    "index": index,
                    "insert_id": event["properties"]["$insert_id"],
                    "field": violation.field,
                    "message": violation.to_string(),
                }));
                entries.push(Entry::Refused(Refused {
                    endpoint: Endpoint::Import,
                    body: event,
                    message: violation.to_string(),
                }));
            }
        }
    }
    store.add(entries);
    response(count, &failures, head.param("strict") == Some("1"))
}

/// Builds the response. Without `strict`, it does not mention invalid events.
fn response(count: usize, failures: &[Value], strict: bool) -> ApiResponse {
    let imported = count - failures.len();
    if failures.is_empty() || !strict {
        return ApiResponse {
            status: 200,
            body: json!({"code": 200, "num_records_imported": imported, "status": "OK"}),
        };
    }
    ApiResponse {
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

fn failed(status: u16, name: &str, error: &str) -> ApiResponse {
    ApiResponse {
        status,
        body: json!({"code": status, "error": error, "status": name}),
    }
}

/// Checks the credentials: a project token without a password, or a service account with
/// `project_id`.
fn authorize(head: &Head) -> Result<(), &'static str> {
    let credentials = head.header("authorization").and_then(body::basic);
    match credentials {
        Some((user, _)) if user.is_empty() => Err("the user of the credentials is empty"),
        Some((_, password)) if password.is_empty() => Ok(()),
        Some(_) if head.param("project_id").is_none() => {
            Err("a service account needs the parameter project_id")
        }
        Some(_) => Ok(()),
        None => Err("Basic credentials are missing"),
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

fn check(event: &Value, now: i64, store: &Store) -> Result<(), RuleViolation> {
    rules::import(event, now)?;
    if store.rejects(event) {
        return Err(RuleViolation {
            field: "event".to_owned(),
            message: "is rejected by the test".to_owned(),
        });
    }
    Ok(())
}

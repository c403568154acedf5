//! Classification of Mixpanel's responses, and of requests without a response.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::{Duration, SystemTime};

use actix_web::http::header::HttpDate;
use serde_json::Value;

use crate::deliver::http::batch::Item;
use crate::deliver::http::send_error::{SendError, SendErrorKind};
use crate::error::log_text::one_line;
use crate::translate::message::Endpoint;

/// Reason of a single message that was larger than Mixpanel accepts.
const TOO_LARGE: &str = "larger than Mixpanel accepts (413)";

/// Outcome of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BatchOutcome {
    /// All messages were accepted.
    Accepted,
    /// All messages were accepted, except for those at these positions.
    PartlyRejected(BTreeMap<usize, String>),
    /// The request was larger than Mixpanel accepts.
    TooLarge,
    /// No message is known to be accepted.
    Failed {
        error: SendError,
        /// True if the messages may have been processed: those that are not idempotent are in
        /// doubt.
        is_in_doubt: bool,
        /// True if further requests are futile now.
        is_final: bool,
    },
}

impl BatchOutcome {
    /// Classifies a response.
    pub(crate) fn from_response(
        endpoint: Endpoint,
        status: u16,
        retry_after: Option<Duration>,
        body: &[u8],
        (batch, buffer): (&[Item], &[u8]),
    ) -> Self {
        let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let reason = || response_reason(status, &json, body);
        let unprocessed = |kind| Self::unprocessed(SendError::new(kind, retry_after, reason()));
        match status {
            // The status does not tell whether the messages were processed: a proxy may have
            // forwarded the request and replaced Mixpanel's response.
            200..=299 if is_foreign(&json, body) => {
                let reason = format!("the response is not Mixpanel's: {}", reason());
                Self::Failed {
                    error: SendError::new(SendErrorKind::NotServed, retry_after, reason),
                    is_in_doubt: true,
                    is_final: true,
                }
            }
            200..=299 if endpoint != Endpoint::Events && is_rejection(&json) => {
                unprocessed(SendErrorKind::Rejected)
            }
            200..=299 => Self::Accepted,
            400 if endpoint == Endpoint::Events => match rejected_positions(&json, batch, buffer) {
                rejected if rejected.is_empty() => unprocessed(SendErrorKind::Rejected),
                rejected => Self::PartlyRejected(rejected),
            },
            401 | 403 => unprocessed(SendErrorKind::Unauthorized),
            413 => Self::TooLarge,
            // These statuses mean that the request was not processed.
            408 | 425 | 429 => unprocessed(SendErrorKind::Retry),
            503 if retry_after.is_some() => unprocessed(SendErrorKind::Retry),
            500.. => Self::Failed {
                error: SendError::new(SendErrorKind::Retry, retry_after, reason()),
                is_in_doubt: true,
                is_final: false,
            },
            400 | 422 => unprocessed(SendErrorKind::Rejected),
            // Mixpanel's API sends none of these statuses: another server answered and processed
            // nothing. The messages are valid.
            _ => unprocessed(SendErrorKind::NotServed),
        }
    }

    /// Creates the outcome of messages that were not processed. Unless they were rejected, further
    /// requests are futile now.
    pub(crate) fn unprocessed(error: SendError) -> Self {
        Self::Failed {
            is_final: error.kind != SendErrorKind::Rejected,
            error,
            is_in_doubt: false,
        }
    }

    /// Classifies a request without a response.
    pub(crate) fn from_error(error: reqwest::Error) -> Self {
        // `with_url` adds the URL without its query.
        let error = error.without_url();
        let reason = with_sources(&error);
        if error.is_builder() {
            return Self::unprocessed(SendError::new(SendErrorKind::Rejected, None, reason));
        }
        Self::Failed {
            error: SendError::new(SendErrorKind::Retry, None, reason),
            is_in_doubt: !error.is_connect(),
            is_final: true,
        }
    }

    /// Adds the URL of the request to the reasons.
    pub(crate) fn with_url(mut self, url: &str) -> Self {
        let add_url = |reason: &mut String| *reason = format!("{url}: {reason}");
        match &mut self {
            Self::Accepted | Self::TooLarge => {}
            Self::PartlyRejected(rejected) => rejected.values_mut().for_each(add_url),
            Self::Failed { error, .. } => add_url(&mut error.reason),
        }
        self
    }

    /// Returns the error of the message at a position of the batch. `None` if it was accepted.
    pub(crate) fn item_error(&self, position: usize, item: &Item) -> Option<SendError> {
        let (kind, reason) = match self {
            Self::Accepted => return None,
            Self::PartlyRejected(rejected) => {
                (SendErrorKind::Rejected, rejected.get(&position)?.as_str())
            }
            Self::TooLarge => (SendErrorKind::Rejected, TOO_LARGE),
            Self::Failed {
                error,
                is_in_doubt: true,
                ..
            } if !item.is_idempotent => (SendErrorKind::InDoubt, error.reason.as_str()),
            Self::Failed { error, .. } => return Some(error.clone()),
        };
        Some(SendError::new(kind, None, reason.to_owned()))
    }

    /// Returns the error of messages that were not sent yet. `None` if they should be sent now.
    pub(crate) fn unsent_error(&self) -> Option<SendError> {
        match self {
            Self::Failed {
                error,
                is_final: true,
                ..
            } => Some(error.clone()),
            _ => None,
        }
    }
}

/// Formats an error with its sources on one line.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    one_line(&text)
}

/// Parses `Retry-After`: seconds or a date. `None` if it is neither.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = SystemTime::from(value.parse::<HttpDate>().ok()?);
    Some(date.duration_since(now).unwrap_or_default())
}

/// Returns whether another server sent a response body.
///
/// Mixpanel sends JSON, and some proxies send an empty body.
fn is_foreign(json: &Value, body: &[u8]) -> bool {
    json.is_null() && body.iter().any(|byte| !byte.is_ascii_whitespace())
}

/// Returns whether `/engage` or `/groups` rejected the messages: their status is 200 even then.
fn is_rejection(json: &Value) -> bool {
    let status = match json {
        Value::Object(fields) => fields.get("status").unwrap_or(&Value::Null),
        status => status,
    };
    match status {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(status) => status == "0" || status.eq_ignore_ascii_case("error"),
        _ => false,
    }
}

/// Returns the positions that `/import` rejected, with the reasons.
fn rejected_positions(json: &Value, batch: &[Item], buffer: &[u8]) -> BTreeMap<usize, String> {
    let records = json.get("failed_records").and_then(Value::as_array);
    let mut rejected = BTreeMap::new();
    let by_insert_id = LazyCell::new(|| positions_by_insert_id(batch, buffer));
    for record in records.into_iter().flatten() {
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let by_index = record.get("index").and_then(Value::as_u64);
        let by_id = || {
            let id = text("insert_id").or(text("$insert_id"))?;
            by_insert_id.get(id).copied()
        };
        let position = by_index
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index < batch.len())
            .or_else(by_id);
        if let Some(position) = position {
            let message = text("message").unwrap_or("no reason given");
            let reason = match text("field").filter(|field| !field.is_empty()) {
                Some(field) => one_line(&format!("{}: {message}", one_line(field))),
                None => one_line(message),
            };
            rejected.insert(position, reason);
        }
    }
    rejected
}

/// Returns the positions of events by `$insert_id`; the first one of equal IDs.
fn positions_by_insert_id(batch: &[Item], buffer: &[u8]) -> HashMap<String, usize> {
    let mut positions = HashMap::new();
    for (position, item) in batch.iter().enumerate() {
        let event = serde_json::from_slice::<Value>(item.json(buffer)).unwrap_or_default();
        if let Some(id) = event
            .get("properties")
            .and_then(|properties| properties.get("$insert_id")?.as_str())
        {
            positions.entry(id.to_owned()).or_insert(position);
        }
    }
    positions
}

/// Formats the status and Mixpanel's error text.
fn response_reason(status: u16, json: &Value, body: &[u8]) -> String {
    let text = match json.get("error").and_then(Value::as_str) {
        Some(error) => error.to_owned(),
        None => String::from_utf8_lossy(body).into_owned(),
    };
    let text = one_line(&text);
    if text.is_empty() {
        return format!("status {status}");
    }
    format!("status {status}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_accepts_seconds_and_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:00 GMT", Some(23)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(value, now), expected, "{value}");
        }
    }
}

//! Classification of Mixpanel's responses, and of requests without a response.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::time::{Duration, SystemTime};

use actix_web::http::header::HttpDate;
use serde_json::Value;

use crate::deliver::http::batch::Item;
use crate::deliver::http::send_error::SendError;
use crate::error::log_text::one_line;
use crate::translate::message::Endpoint;

/// Outcome of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BatchOutcome {
    /// All messages were accepted.
    Accepted,
    /// All messages were accepted, except for those at these positions.
    PartlyRejected(BTreeMap<usize, String>),
    /// No message was accepted, and none ever will be.
    Rejected(String),
    /// The request was larger than Mixpanel accepts.
    TooLarge,
    /// No message was accepted yet.
    Retry {
        retry_after: Option<Duration>,
        reason: String,
    },
    /// The outcome is unknown. Without any response, further requests are futile now.
    Unknown {
        retry_after: Option<Duration>,
        reason: String,
        is_answered: bool,
    },
    /// Another server than Mixpanel answered.
    ///
    /// The status tells whether the messages were processed. A page with status 200 does not: a
    /// proxy may have forwarded the request and replaced Mixpanel's response.
    NotServed {
        retry_after: Option<Duration>,
        reason: String,
        is_unprocessed: bool,
    },
    /// The credentials were rejected.
    Unauthorized(String),
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
        match status {
            200..=299 if is_foreign(&json, body) => {
                let reason = format!("the response is not Mixpanel's: {}", reason());
                Self::NotServed {
                    retry_after,
                    reason,
                    is_unprocessed: false,
                }
            }
            200..=299 if endpoint != Endpoint::Events && is_rejection(&json) => {
                Self::Rejected(reason())
            }
            200..=299 => Self::Accepted,
            400 if endpoint == Endpoint::Events => match rejected_positions(&json, batch, buffer) {
                rejected if rejected.is_empty() => Self::Rejected(reason()),
                rejected => Self::PartlyRejected(rejected),
            },
            401 | 403 => Self::Unauthorized(reason()),
            413 => Self::TooLarge,
            // These statuses mean that the request was not processed.
            408 | 425 | 429 => Self::Retry {
                retry_after,
                reason: reason(),
            },
            503 if retry_after.is_some() => Self::Retry {
                retry_after,
                reason: reason(),
            },
            500.. => Self::Unknown {
                retry_after,
                reason: reason(),
                is_answered: true,
            },
            400 | 422 => Self::Rejected(reason()),
            // Mixpanel's API sends none of these statuses: another server answered and processed
            // nothing. The messages are valid.
            _ => Self::NotServed {
                retry_after,
                reason: reason(),
                is_unprocessed: true,
            },
        }
    }

    /// Classifies a request without a response.
    pub(crate) fn from_error(error: reqwest::Error) -> Self {
        // `with_url` adds the URL without its query.
        let error = error.without_url();
        let reason = with_sources(&error);
        if error.is_builder() {
            Self::Rejected(reason)
        } else if error.is_connect() {
            Self::Retry {
                retry_after: None,
                reason,
            }
        } else {
            Self::Unknown {
                retry_after: None,
                reason,
                is_answered: false,
            }
        }
    }

    /// Adds the URL of the request to the reasons.
    pub(crate) fn with_url(self, url: &str) -> Self {
        let prefixed = |reason: String| format!("{url}: {reason}");
        match self {
            Self::Accepted | Self::TooLarge => self,
            Self::PartlyRejected(rejected) => Self::PartlyRejected(
                rejected
                    .into_iter()
                    .map(|(position, reason)| (position, prefixed(reason)))
                    .collect(),
            ),
            Self::Rejected(reason) => Self::Rejected(prefixed(reason)),
            Self::Retry {
                retry_after,
                reason,
            } => Self::Retry {
                retry_after,
                reason: prefixed(reason),
            },
            Self::Unknown {
                retry_after,
                reason,
                is_answered,
            } => Self::Unknown {
                retry_after,
                reason: prefixed(reason),
                is_answered,
            },
            Self::NotServed {
                retry_after,
                reason,
                is_unprocessed,
            } => Self::NotServed {
                retry_after,
                reason: prefixed(reason),
                is_unprocessed,
            },
            Self::Unauthorized(reason) => Self::Unauthorized(prefixed(reason)),
        }
    }

    /// Returns the error of the message at a position of the batch. `None` if it was accepted.
    pub(crate) fn item_error(&self, position: usize, item: &Item) -> Option<SendError> {
        Some(match self {
            Self::Accepted => return None,
            Self::PartlyRejected(rejected) => SendError::Rejected(rejected.get(&position)?.clone()),
            Self::Rejected(reason) => SendError::Rejected(reason.clone()),
            Self::TooLarge => SendError::Rejected("larger than Mixpanel accepts (413)".to_owned()),
            Self::Unknown { reason, .. }
            | Self::NotServed {
                reason,
                is_unprocessed: false,
                ..
            } if !item.is_idempotent => SendError::InDoubt(reason.clone()),
            Self::Retry {
                retry_after,
                reason,
            }
            | Self::Unknown {
                retry_after,
                reason,
                ..
            } => SendError::Retry {
                retry_after: *retry_after,
                reason: reason.clone(),
            },
            Self::NotServed {
                retry_after,
                reason,
                ..
            } => SendError::NotServed {
                retry_after: *retry_after,
                reason: reason.clone(),
            },
            Self::Unauthorized(reason) => SendError::Unauthorized(reason.clone()),
        })
    }

    /// Returns the error of messages that were not sent yet. `None` if they should be sent now.
    pub(crate) fn unsent_error(&self) -> Option<SendError> {
        match self {
            Self::Retry {
                retry_after,
                reason,
            }
            | Self::Unknown {
                retry_after,
                reason,
                is_answered: false,
            } => Some(SendError::Retry {
                retry_after: *retry_after,
                reason: reason.clone(),
            }),
            Self::NotServed {
                retry_after,
                reason,
                ..
            } => Some(SendError::NotServed {
                retry_after: *retry_after,
                reason: reason.clone(),
            }),
            Self::Unauthorized(reason) => Some(SendError::Unauthorized(reason.clone())),
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

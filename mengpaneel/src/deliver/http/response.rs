//! What an answer of Mixpanel's, or the lack of one, means for what was sent.

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

/// What one request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BatchOutcome {
    /// All taken.
    Accepted,
    /// Taken, but for these positions.
    TakenBut(BTreeMap<usize, String>),
    /// None taken, none ever will be.
    Refused(String),
    /// More than Mixpanel takes at once.
    TooLarge,
    /// None taken yet.
    NotNow {
        after: Option<Duration>,
        reason: String,
    },
    /// Taken or not, nobody knows. If not even an answer came, sending more now is futile.
    Unknown {
        after: Option<Duration>,
        reason: String,
        is_answered: bool,
    },
    /// Another than Mixpanel answered. None taken, if the answer says so; a page with status 200
    /// does not, since a proxy may have passed the request on and put the page in place of
    /// Mixpanel's answer.
    NotServed {
        after: Option<Duration>,
        reason: String,
        is_untaken: bool,
    },
    /// None taken, whatever is sent.
    Unauthorized(String),
}

impl BatchOutcome {
    /// Of an answer that has come.
    pub(crate) fn of_response(
        endpoint: Endpoint,
        status: u16,
        after: Option<Duration>,
        body: &[u8],
        (batch, text): (&[Item], &[u8]),
    ) -> Self {
        let said = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let reason = || reason(status, &said, body);
        match status {
            200..=299 if is_elsewhere(&said, body) => {
                let reason = format!("that was no answer of Mixpanel's: {}", reason());
                Self::NotServed {
                    after,
                    reason,
                    is_untaken: false,
                }
            }
            200..=299 if endpoint != Endpoint::Events && is_refusal(&said) => {
                Self::Refused(reason())
            }
            200..=299 => Self::Accepted,
            400 if endpoint == Endpoint::Events => match failed(&said, batch, text) {
                failed if failed.is_empty() => Self::Refused(reason()),
                failed => Self::TakenBut(failed),
            },
            401 | 403 => Self::Unauthorized(reason()),
            413 => Self::TooLarge,
            // Both say that the request was not dealt with.
            408 | 425 | 429 => Self::NotNow {
                after,
                reason: reason(),
            },
            503 if after.is_some() => Self::NotNow {
                after,
                reason: reason(),
            },
            500.. => Self::Unknown {
                after,
                reason: reason(),
                is_answered: true,
            },
            400 | 422 => Self::Refused(reason()),
            // Mixpanel's API answers none of these: something else stands in its place, and nothing
            // was done. The data is not at fault.
            _ => Self::NotServed {
                after,
                reason: reason(),
                is_untaken: true,
            },
        }
    }

    /// Of an answer that never came.
    pub(crate) fn of_error(error: reqwest::Error) -> Self {
        // The URL is told by `at`, without its query.
        let error = error.without_url();
        let reason = with_sources(&error);
        if error.is_builder() {
            Self::Refused(reason)
        } else if error.is_connect() {
            Self::NotNow {
                after: None,
                reason,
            }
        } else {
            Self::Unknown {
                after: None,
                reason,
                is_answered: false,
            }
        }
    }

    /// Names the URL that answered, or that did not.
    pub(crate) fn at(self, url: &str) -> Self {
        let about = |reason: String| format!("{url}: {reason}");
        match self {
            Self::Accepted | Self::TooLarge => self,
            Self::TakenBut(failed) => Self::TakenBut(
                failed
                    .into_iter()
                    .map(|(position, reason)| (position, about(reason)))
                    .collect(),
            ),
            Self::Refused(reason) => Self::Refused(about(reason)),
            Self::NotNow { after, reason } => Self::NotNow {
                after,
                reason: about(reason),
            },
            Self::Unknown {
                after,
                reason,
                is_answered,
            } => Self::Unknown {
                after,
                reason: about(reason),
                is_answered,
            },
            Self::NotServed {
                after,
                reason,
                is_untaken,
            } => Self::NotServed {
                after,
                reason: about(reason),
                is_untaken,
            },
            Self::Unauthorized(reason) => Self::Unauthorized(about(reason)),
        }
    }

    /// Why the item at that position of the batch was not taken, if it was not.
    pub(crate) fn of_item(&self, position: usize, item: &Item) -> Option<SendError> {
        Some(match self {
            Self::Accepted => return None,
            Self::TakenBut(failed) => SendError::Refused(failed.get(&position)?.clone()),
            Self::Refused(reason) => SendError::Refused(reason.clone()),
            Self::TooLarge => SendError::Refused("larger than Mixpanel takes (413)".to_owned()),
            Self::Unknown { reason, .. }
            | Self::NotServed {
                reason,
                is_untaken: false,
                ..
            } if !item.is_repeatable => SendError::InDoubt(reason.clone()),
            Self::NotNow { after, reason } | Self::Unknown { after, reason, .. } => {
                SendError::Retry {
                    after: *after,
                    reason: reason.clone(),
                }
            }
            Self::NotServed { after, reason, .. } => SendError::NotServed {
                after: *after,
                reason: reason.clone(),
            },
            Self::Unauthorized(reason) => SendError::Unauthorized(reason.clone()),
        })
    }

    /// For what would have been sent next, if it is of no use to send it now.
    pub(crate) fn for_unsent(&self) -> Option<SendError> {
        match self {
            Self::NotNow { after, reason }
            | Self::Unknown {
                after,
                reason,
                is_answered: false,
            } => Some(SendError::Retry {
                after: *after,
                reason: reason.clone(),
            }),
            Self::NotServed { after, reason, .. } => Some(SendError::NotServed {
                after: *after,
                reason: reason.clone(),
            }),
            Self::Unauthorized(reason) => Some(SendError::Unauthorized(reason.clone())),
            _ => None,
        }
    }
}

/// An error with its sources, on one line.
pub(crate) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    one_line(&text)
}

/// `Retry-After`: seconds, or a date.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = SystemTime::from(value.parse::<HttpDate>().ok()?);
    Some(date.duration_since(now).unwrap_or_default())
}

/// Mixpanel answers in JSON, some proxies not at all; a web page is somebody else's.
fn is_elsewhere(said: &Value, body: &[u8]) -> bool {
    said.is_null() && body.iter().any(|byte| !byte.is_ascii_whitespace())
}

/// `/engage` and `/groups` answer 200 even to what they do not take.
fn is_refusal(said: &Value) -> bool {
    let status = match said {
        Value::Object(fields) => fields.get("status").unwrap_or(&Value::Null),
        status => status,
    };
    match status {
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(status) => status == "0" || status.eq_ignore_ascii_case("error"),
        _ => false,
    }
}

/// The positions that `/import` names, and why.
fn failed(said: &Value, batch: &[Item], text: &[u8]) -> BTreeMap<usize, String> {
    let records = said.get("failed_records").and_then(Value::as_array);
    let mut failed = BTreeMap::new();
    let by_insert_id = LazyCell::new(|| positions(batch, text));
    for record in records.into_iter().flatten() {
        let said = |key: &str| record.get(key).and_then(Value::as_str);
        let by_index = record.get("index").and_then(Value::as_u64);
        let by_id = || {
            let id = said("insert_id").or(said("$insert_id"))?;
            by_insert_id.get(id).copied()
        };
        let position = by_index
            .and_then(|index| usize::try_from(index).ok())
            .filter(|index| *index < batch.len())
            .or_else(by_id);
        if let Some(position) = position {
            let message = said("message").unwrap_or("no reason given");
            let reason = match said("field").filter(|field| !field.is_empty()) {
                Some(field) => one_line(&format!("{}: {message}", one_line(field))),
                None => one_line(message),
            };
            failed.insert(position, reason);
        }
    }
    failed
}

/// Where the event of which `$insert_id` stands; of equal ones the first.
fn positions(batch: &[Item], text: &[u8]) -> HashMap<String, usize> {
    let mut positions = HashMap::new();
    for (position, item) in batch.iter().enumerate() {
        let record = serde_json::from_slice::<Value>(item.json(text)).unwrap_or_default();
        if let Some(id) = record
            .get("properties")
            .and_then(|own| own.get("$insert_id")?.as_str())
        {
            positions.entry(id.to_owned()).or_insert(position);
        }
    }
    positions
}

/// The status, and what Mixpanel says of it.
fn reason(status: u16, said: &Value, body: &[u8]) -> String {
    let text = match said.get("error").and_then(Value::as_str) {
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
    fn retry_after_is_seconds_or_a_date() {
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

//! Limits of Mixpanel, applied to each member. Parts beyond a limit are truncated or left out;
//! otherwise the message is refused. Changes are reported, except to properties of the visitor's
//! browser.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::call::is_placeholder;
use crate::call::json::{write_text, write_value};
use crate::error::log_text::Quoted;
use crate::translate::limits::values::{fit_value, is_plain};
use crate::translate::member_value::MemberValue;
use crate::translate::request_properties::RequestProperties;

mod values;

pub(crate) use crate::translate::limits::values::{is_plain_json, is_short, truncated};

/// Most properties of an event.
pub(crate) const MAX_PROPERTIES: usize = 255;
/// Most properties of an operation on a profile.
pub(crate) const MAX_PROFILE_PROPERTIES: usize = 2_000;
/// Most bytes of a message body.
const MAX_MESSAGE_BYTES: usize = 1_000_000;
/// Most characters of an `$insert_id`.
pub(crate) const MAX_INSERT_ID: usize = 36;

/// Returns an error with the reason if an ID is a placeholder.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    if !is_placeholder(id.as_bytes()) {
        return Ok(());
    }
    Err(format!(
        "Mixpanel rejects {id:?} as a placeholder: many programs send it when no ID is known"
    ))
}

/// Returns an error with the reason if a message is too large.
pub(crate) fn check_size(bytes: usize) -> Result<(), String> {
    if bytes <= MAX_MESSAGE_BYTES {
        return Ok(());
    }
    Err(format!(
        "the message has {bytes} bytes; Mixpanel accepts {MAX_MESSAGE_BYTES}"
    ))
}

/// Returns whether Mixpanel accepts an `$insert_id` unchanged.
pub(crate) fn is_insert_id(id: &[u8]) -> bool {
    !id.is_empty()
        && id.len() <= MAX_INSERT_ID
        // Without an early exit, so that the compiler can compare many bytes at once.
        && id.iter().fold(true, |is_valid, byte| is_valid & matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-'))
        && !is_placeholder(id)
}

/// Returns a valid replacement for an `$insert_id` that Mixpanel rejects; equal IDs have equal
/// replacements.
pub(crate) fn replacement_insert_id(given: &Value) -> String {
    let id = match given {
        Value::String(id) => truncated(id).to_owned(),
        other => other.to_string(),
    };
    if is_insert_id(id.as_bytes()) {
        return id;
    }
    let digest = Sha256::digest(id.as_bytes());
    let bytes = digest.first_chunk::<16>().copied().unwrap_or_default();
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Writer of the members of a message, within the limits.
pub(crate) struct MemberWriter<'w> {
    pub(crate) json: &'w mut Vec<u8>,
    /// Changes to report.
    pub(crate) changes: &'w mut Vec<String>,
    pub(crate) request: &'w RequestProperties<'w>,
    /// True for a profile, whose lists and objects may be larger.
    pub(crate) is_profile: bool,
    /// Number of members.
    pub(crate) count: usize,
    /// Names that were truncated.
    truncated_names: Vec<String>,
}

impl<'w> MemberWriter<'w> {
    pub(crate) fn new(
        json: &'w mut Vec<u8>,
        changes: &'w mut Vec<String>,
        request: &'w RequestProperties<'w>,
        is_profile: bool,
    ) -> Self {
        Self {
            json,
            changes,
            request,
            is_profile,
            count: 0,
            truncated_names: Vec::new(),
        }
    }

    /// Writes a member. `exists` returns whether the message has another member of a name.
    pub(crate) fn write(
        &mut self,
        name: &str,
        value: MemberValue<'_>,
        exists: impl Fn(&str) -> bool,
    ) {
        let end = self.json.len();
        if is_short(name.as_bytes()) {
            self.write_name(name);
            if self.write_simple(value) {
                return;
            }
            self.json.truncate(end);
        }
        self.write_fitted(name, value, &exists);
    }

    /// Writes a member whose name is encoded in `prefix`. Returns whether the value certainly fits;
    /// otherwise writes nothing.
    #[inline]
    pub(crate) fn try_write(&mut self, prefix: &str, value: MemberValue<'_>) -> bool {
        let end = self.json.len();
        self.json.extend_from_slice(prefix.as_bytes());
        let fits = self.write_simple(value);
        if !fits {
            self.json.truncate(end);
        }
        fits
    }

    /// Writes a comma, unless the member is the first one, and the name.
    pub(crate) fn write_name(&mut self, name: &str) {
        if self.json.last() != Some(&b'{') {
            self.json.push(b',');
        }
        write_text(name, self.json);
        self.json.push(b':');
    }

    /// Writes the value of a member if it certainly fits. Returns whether it does.
    #[inline]
    fn write_simple(&mut self, value: MemberValue<'_>) -> bool {
        match value {
            MemberValue::Json(json) if is_plain_json(json.as_bytes()) => {
                self.json.extend_from_slice(json.as_bytes());
            }
            MemberValue::Text(text) if is_short(text.as_bytes()) => write_text(text, self.json),
            MemberValue::Value(value) if is_plain(value) => write_value(value, self.json),
            MemberValue::Unsigned(number) => write_value(&number, self.json),
            MemberValue::Float(number) => write_value(&number, self.json),
            MemberValue::Json(_) | MemberValue::Text(_) | MemberValue::Value(_) => return false,
        }
        self.count += 1;
        true
    }

    /// Writes a member that may exceed a limit.
    #[cold]
    fn write_fitted(&mut self, name: &str, given: MemberValue<'_>, exists: &dyn Fn(&str) -> bool) {
        let (fitted, mut value, mut changes) = (truncated(name), given.to_value(), Vec::new());
        let is_truncated = fitted != name;
        let is_duplicate =
            is_truncated && (exists(fitted) || self.truncated_names.iter().any(|n| n == fitted));
        if is_truncated {
            let left_out = if is_duplicate {
                ", which exists already; the property was left out"
            } else {
                ""
            };
            let name = Quoted(fitted);
            changes.push(format!("a name was truncated to {name}{left_out}"));
        }
        let left_out = fit_value(fitted, &mut value, self.is_profile, &mut changes);
        if !is_duplicate && left_out.is_none() {
            self.write_name(fitted);
            write_value(&value, self.json);
            self.count += 1;
            if is_truncated {
                self.truncated_names.push(fitted.to_owned());
            }
        }
        changes.extend(left_out);
        // mixpanel-js truncates properties of the visitor's browser without a report.
        if !changes.is_empty() && !self.request.is_from_visitor(name, &given.to_value()) {
            self.changes.append(&mut changes);
        }
    }
}

/// Summarises the changes to a message in one text. `None` if there are none.
pub(crate) fn summary(changes: &[String]) -> Option<String> {
    /// Most changes that are listed; the others are counted.
    const MAX_LISTED: usize = 3;
    let text = changes
        .iter()
        .take(MAX_LISTED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("; ");
    match changes.len() {
        0 => None,
        count if count > MAX_LISTED => Some(format!("{text}; and {} more", count - MAX_LISTED)),
        _ => Some(text),
    }
}

//! Removal of invalid and placeholder IDs at recording.
//!
//! Mixpanel would reject every event with such an ID, and mixpanel-js would store the ID in the
//! visitor's cookie.

use std::collections::HashSet;
use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::call::json::{JsonRef, write_value};
use crate::call::{
    Call, Method, Properties, id_string, is_blank, is_placeholder, is_placeholder_device,
    is_unstorable, is_value_misread, placeholder_in,
};
use crate::error::Reason;
use crate::record::plan::Route;

/// Returns whether a property of an event is an ID. Super properties may have the same names.
fn is_id_property(name: &[u8]) -> bool {
    matches!(name, b"$device_id" | b"$user_id" | b"distinct_id")
}

/// Most distinct problems that one `Mengpaneel` reports. The bound is needed because a problem's
/// text may contain input of visitors.
const MAX_REPORTED: usize = 1_000;

/// Location in the source code where a call was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite {
    /// Path of the file, as passed to the compiler.
    pub file: &'static str,
    /// Line in the file.
    pub line: u32,
    /// Route of the annotated handler. `None` for other functions and calls by hand.
    pub route: Option<&'static Route>,
}

impl CallSite {
    /// Returns the call site of the calling function, which must be `#[track_caller]`.
    #[track_caller]
    pub(crate) fn caller() -> Self {
        let location = Location::caller();
        Self {
            file: location.file(),
            line: location.line(),
            route: None,
        }
    }
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        match self.route {
            Some(route) => write!(f, " ({route})"),
            None => Ok(()),
        }
    }
}

/// Problems that were reported, to report each once.
#[derive(Debug, Default)]
pub(crate) struct ReportedProblems(Mutex<HashSet<String>>);

impl ReportedProblems {
    /// Returns whether to report a problem: it is new, and there is room to remember it.
    pub(crate) fn is_new(&self, reason: &Reason) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reported.len() < MAX_REPORTED && reported.insert(reason.to_string())
    }
}

/// Returns whether all IDs of a call are valid. Reads the JSON text only, since most calls are
/// valid.
pub(crate) fn are_valid(call: &Call) -> bool {
    let is_id = |index| {
        let id = call.str_arg(index);
        id.is_some_and(|id| {
            !is_blank(id) && !is_placeholder(id.as_bytes()) && !is_placeholder_device(id)
        })
    };
    match call.method() {
        Method::Identify => is_id(0),
        Method::Alias => is_id(0) && call.recorded_args().len() == 1,
        Method::SetGroup | Method::AddGroup | Method::RemoveGroup => {
            is_id(1) && !call.str_arg(0).is_some_and(is_unstorable)
        }
        Method::Register | Method::RegisterOnce => {
            has_valid_ids(call, |_, _| false) && call.is_storable()
        }
        Method::TrackWithGroups => false,
        method if method.is_group() => is_id(1),
        method if method.is_track() => has_valid_ids(call, is_valid_id),
        _ => true,
    }
}

/// Returns whether each property of a call that is an ID is valid.
fn has_valid_ids(call: &Call, is_valid: impl Fn(&[u8], JsonRef<'_>) -> bool) -> bool {
    call.recorded_properties().is_none_or(|properties| {
        properties
            .members()
            .filter(|(name, _)| is_id_property(name))
            .take(call.recorded_args().names().max_ids())
            .all(|(name, value)| is_valid(name, value))
    })
}

/// Returns whether an event's ID property is a string that can identify a user or device. An empty
/// `distinct_id` is valid: it marks an event without a user.
fn is_valid_id(name: &[u8], id: JsonRef<'_>) -> bool {
    id.as_text().is_some_and(|id| {
        let is_userless = id.is_empty() && name == b"distinct_id";
        is_userless
            || !(is_blank(&id) || is_placeholder(id.as_bytes()) || is_placeholder_device(&id))
    })
}

/// Removes the invalid IDs of a call and calls `report` for each. Returns whether the call is still
/// to be recorded.
pub(crate) fn check(call: &mut Call, site: Option<CallSite>, report: impl FnMut(Reason)) -> bool {
    let method = call.method().clone();
    let mut ids = IdChecker {
        subject: method.to_string(),
        site,
        report,
    };
    match method {
        Method::Identify if call.args().first().is_none_or(Value::is_null) => true,
        Method::Identify => ids.check_args(call, 0..1),
        Method::Alias if call.args().get(1).is_none_or(Value::is_null) => {
            ids.check_args(call, 0..1)
        }
        Method::Alias => ids.check_args(call, 0..2),
        Method::SetGroup => ids.check_group_key(call) && ids.check_list(call, 1),
        Method::AddGroup | Method::RemoveGroup => {
            ids.check_group_key(call) && ids.check_args(call, 1..2)
        }
        Method::Register | Method::RegisterOnce => {
            ids.check_properties(call);
            ids.check_stored(call);
            true
        }
        method if method.is_group() => ids.check_args(call, 1..2),
        Method::TrackWithGroups => {
            ids.check_properties(call);
            ids.check_groups(call, 2);
            true
        }
        method if method.is_track() => {
            ids.check_properties(call);
            true
        }
        _ => true,
    }
}

/// Checker of the IDs of one call.
struct IdChecker<R> {
    /// Name of the method, for reports.
    subject: String,
    site: Option<CallSite>,
    report: R,
}

impl<R: FnMut(Reason)> IdChecker<R> {
    /// Returns an ID as a string, or `None` if it is invalid, which is reported.
    fn id(&mut self, value: &Value) -> Option<Value> {
        if let Some(id) = placeholder_in(value) {
            let subject = describe(&self.subject, self.site);
            (self.report)(Reason::PlaceholderId { subject, id });
            return None;
        }
        let id = id_string(value);
        if id.is_none() {
            let subject = describe(&self.subject, self.site);
            (self.report)(Reason::InvalidId(subject));
        }
        id.map(Value::from)
    }

    /// Checks arguments that are one ID each and turns them into strings. Returns whether all are
    /// valid.
    fn check_args(&mut self, call: &mut Call, indices: std::ops::Range<usize>) -> bool {
        let mut args = call.args().to_vec();
        for index in indices {
            let id = self.id(args.get(index).unwrap_or(&Value::Null));
            let (Some(id), Some(arg)) = (id, args.get_mut(index)) else {
                return false;
            };
            *arg = id;
        }
        replace(call, args);
        true
    }

    /// Checks an argument that is one ID or a list of IDs. Returns whether any ID remains. An
    /// empty list is valid: it removes all groups.
    fn check_list(&mut self, call: &mut Call, index: usize) -> bool {
        let Some(Value::Array(list)) = call.args().get(index) else {
            return self.check_args(call, index..index + 1);
        };
        let ids: Vec<Value> = list.clone().iter().filter_map(|id| self.id(id)).collect();
        if ids.is_empty() && !list.is_empty() {
            return false;
        }
        let mut args = call.args().to_vec();
        if let Some(arg) = args.get_mut(index) {
            *arg = ids.into();
        }
        replace(call, args);
        true
    }

    /// Removes the invalid ID properties.
    fn check_properties(&mut self, call: &mut Call) {
        let Some(index) = call.method().properties_index() else {
            return;
        };
        let site = self.site;
        let event = call
            .str_arg(0)
            .filter(|_| call.method().is_track() && index > 0);
        let owner = event.map_or_else(|| self.subject.clone(), |event| format!("{event:?}"));
        self.check_members(call, index, |key, value| {
            // An empty `distinct_id` marks an event without a user.
            let is_empty_id = value
                .as_str()
                .is_some_and(|id| id.trim().is_empty() && (key != "distinct_id" || !id.is_empty()));
            let is_id = is_id_property(key.as_bytes());
            let subject = || describe(&format!("{key} of {owner}"), site);
            match placeholder_in(value) {
                _ if !is_id => None,
                Some(id) => Some(Reason::PlaceholderId {
                    subject: subject(),
                    id,
                }),
                None => is_empty_id.then(|| Reason::InvalidId(subject())),
            }
        });
    }

    /// Returns whether mixpanel-js can store a group under its key. A key that it cannot store is
    /// reported.
    fn check_group_key(&mut self, call: &Call) -> bool {
        let key = call.str_arg(0).unwrap_or_default();
        let is_storable = !is_unstorable(key);
        if !is_storable {
            let subject = describe(&format!("the group {key} of {}", self.subject), self.site);
            (self.report)(Reason::Unstorable(subject));
        }
        is_storable
    }

    /// Removes the super properties that mixpanel-js cannot store, or that would make it misread
    /// others.
    fn check_stored(&mut self, call: &mut Call) {
        let (subject, site) = (self.subject.clone(), self.site);
        self.check_members(call, 0, |key, value| {
            let mut json = Vec::new();
            write_value(
                &Properties::from_iter([(key.to_owned(), value.clone())]),
                &mut json,
            );
            let is_misread = is_value_misread(JsonRef::new(&json));
            let is_unstorable = is_unstorable(key) || is_misread;
            is_unstorable
                .then(|| Reason::Unstorable(describe(&format!("{key} of {subject}"), site)))
        });
    }

    /// Removes the groups whose ID is a placeholder.
    fn check_groups(&mut self, call: &mut Call, index: usize) {
        let (subject, site) = (self.subject.clone(), self.site);
        self.check_members(call, index, |key, value| {
            let id = placeholder_in(value)?;
            Some(Reason::PlaceholderId {
                subject: describe(&format!("the group {key} of {subject}"), site),
                id,
            })
        });
    }

    /// Removes the members of an argument for which `reason` returns a reason, and reports it.
    fn check_members(
        &mut self,
        call: &mut Call,
        index: usize,
        reason: impl Fn(&str, &Value) -> Option<Reason>,
    ) {
        let Some(Value::Object(members)) = call.args().get(index) else {
            return;
        };
        let reasons: Vec<(String, Reason)> = members
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), reason(key, value)?)))
            .collect();
        if reasons.is_empty() {
            return;
        }
        let mut args = call.args().to_vec();
        for (key, reason) in reasons {
            if let Some(members) = args.get_mut(index).and_then(Value::as_object_mut) {
                Properties::remove(members, &key);
            }
            (self.report)(reason);
        }
        replace(call, args);
    }
}

/// Returns the subject of a report, with the call site if it is known.
pub(crate) fn describe(subject: &str, site: Option<CallSite>) -> String {
    match site {
        Some(site) => format!("{subject} at {site}"),
        None => subject.to_owned(),
    }
}

/// Replaces the arguments of a call if they differ.
fn replace(call: &mut Call, args: Vec<Value>) {
    if call.args() != args {
        *call = Call::new(call.method().clone(), args);
    }
}

//! IDs that belong to nobody are removed when they are recorded: Mixpanel would reject every event
//! that carries one, and mixpanel-js would store it in the visitor's cookie.

use std::collections::HashSet;
use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::call::value::{Decoder, ValueRef, write_value};
use crate::call::{
    Call, Method, Properties, id_string, is_blank, is_placeholder, is_placeholder_device,
    is_unstorable, is_value_misread, placeholder_in,
};
use crate::error::Reason;
use crate::record::plan::Route;

/// Properties of an event, and super properties, that say whose it is.
const ID_PROPERTIES: [&str; 3] = ["$device_id", "$user_id", "distinct_id"];

/// Number of different problems that one Mengpaneel reports: what names a problem can come from
/// outside.
const MAX_REPORTED: usize = 1_000;

/// Place in the source code where a call was recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite {
    /// Path of the file, as the compiler was given it.
    pub file: &'static str,
    /// Line in the file.
    pub line: u32,
    /// Route of the handler whose attribute stands there.
    pub route: Option<&'static Route>,
}

impl CallSite {
    /// The place that called the function that calls this one, where both are `#[track_caller]`.
    #[track_caller]
    pub(crate) fn of_caller() -> Self {
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

/// Problems that were reported, each of which is reported once.
#[derive(Debug, Default)]
pub(crate) struct Reported(Mutex<HashSet<String>>);

impl Reported {
    /// Returns whether a problem is to be reported: it is new, and there is room to remember it.
    pub(crate) fn is_new(&self, reason: &Reason) -> bool {
        let mut reported = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reported.len() < MAX_REPORTED && reported.insert(reason.to_string())
    }
}

/// Returns whether nothing is wrong with the IDs of a call. Looks at the bytes only: most calls
/// pass.
pub(crate) fn are_known(call: &Call) -> bool {
    let is_id = |index| {
        let id = call.str_arg(index);
        id.is_some_and(|id| {
            !is_blank(id) && !is_placeholder(id.as_bytes()) && !is_placeholder_device(id)
        })
    };
    match call.method() {
        Method::Identify => is_id(0),
        Method::Alias => is_id(0) && call.args().len() == 1,
        Method::SetGroup | Method::AddGroup | Method::RemoveGroup => {
            is_id(1) && !call.str_arg(0).is_some_and(is_unstorable)
        }
        Method::Register | Method::RegisterOnce => {
            ID_PROPERTIES
                .iter()
                .all(|name| call.property(name).is_none())
                && call.is_storable()
        }
        Method::TrackWithGroups => false,
        method if method.is_group() => is_id(1),
        method if method.is_track() => ID_PROPERTIES
            .iter()
            .all(|name| call.property(name).is_none_or(|id| is_known_id(name, id))),
        _ => true,
    }
}

/// Returns whether an event's ID property is a text that can be somebody's. An event without a user
/// says so with an empty `distinct_id`.
fn is_known_id(name: &str, id: ValueRef<'_>) -> bool {
    id.as_text().is_some_and(|id| {
        let is_userless = id.is_empty() && name == "distinct_id";
        is_userless || !(is_blank(id) || is_placeholder(id.as_bytes()) || is_placeholder_device(id))
    })
}

/// Removes the IDs of a call that are nobody's, each of which `report` is told. Returns whether
/// there is still something to record.
pub(crate) fn check(call: &mut Call, place: Option<CallSite>, report: impl FnMut(Reason)) -> bool {
    let method = call.method().clone();
    let mut ids = IdChecker {
        subject: method.to_string(),
        place,
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

/// A check of one call.
struct IdChecker<R> {
    /// Name of the method, for reports.
    subject: String,
    place: Option<CallSite>,
    report: R,
}

impl<R: FnMut(Reason)> IdChecker<R> {
    /// The text of an ID; `None` where it is nobody's, which is reported.
    fn id(&mut self, value: &Value) -> Option<Value> {
        if let Some(id) = placeholder_in(value) {
            let what = describe(&self.subject, self.place);
            (self.report)(Reason::PlaceholderId { what, id });
            return None;
        }
        let id = id_string(value);
        if id.is_none() {
            let what = describe(&self.subject, self.place);
            (self.report)(Reason::InvalidId(what));
        }
        id.map(Value::from)
    }

    /// Checks the arguments that are one ID each; they become texts. Returns whether all are IDs.
    fn check_args(&mut self, call: &mut Call, places: std::ops::Range<usize>) -> bool {
        let mut args = call.args().to_vec();
        for place in places {
            let id = self.id(args.get(place).unwrap_or(&Value::Null));
            let (Some(id), Some(arg)) = (id, args.get_mut(place)) else {
                return false;
            };
            *arg = id;
        }
        replace(call, args);
        true
    }

    /// Checks an argument that is one ID or a list of IDs. Returns whether any is left; an empty
    /// list says that there are none.
    fn check_list(&mut self, call: &mut Call, place: usize) -> bool {
        let Some(Value::Array(given)) = call.args().get(place) else {
            return self.check_args(call, place..place + 1);
        };
        let ids: Vec<Value> = given.clone().iter().filter_map(|id| self.id(id)).collect();
        if ids.is_empty() && !given.is_empty() {
            return false;
        }
        let mut args = call.args().to_vec();
        if let Some(arg) = args.get_mut(place) {
            *arg = ids.into();
        }
        replace(call, args);
        true
    }

    /// Removes the ID properties that are nobody's.
    fn check_properties(&mut self, call: &mut Call) {
        let Some(place) = call.method().properties_index() else {
            return;
        };
        let site = self.place;
        let event = call
            .str_arg(0)
            .filter(|_| call.method().is_track() && place > 0);
        let of = event.map_or_else(|| self.subject.clone(), |event| format!("{event:?}"));
        self.check_members(call, place, |key, value| {
            // An event without a user says so with an empty `distinct_id`.
            let is_nobody = value
                .as_str()
                .is_some_and(|id| id.trim().is_empty() && (key != "distinct_id" || !id.is_empty()));
            let is_id = ID_PROPERTIES.contains(&key);
            let what = || describe(&format!("{key} of {of}"), site);
            match placeholder_in(value) {
                _ if !is_id => None,
                Some(id) => Some(Reason::PlaceholderId { what: what(), id }),
                None => is_nobody.then(|| Reason::InvalidId(what())),
            }
        });
    }

    /// Returns whether the visitor's groups can be stored under a key.
    fn check_group_key(&mut self, call: &Call) -> bool {
        let key = call.str_arg(0).unwrap_or_default();
        let is_storable = !is_unstorable(key);
        if !is_storable {
            let what = describe(&format!("the group {key} of {}", self.subject), self.place);
            (self.report)(Reason::Unstorable(what));
        }
        is_storable
    }

    /// Removes the super properties that mixpanel-js could not store, or that would hide the
    /// others.
    fn check_stored(&mut self, call: &mut Call) {
        let (subject, site) = (self.subject.clone(), self.place);
        self.check_members(call, 0, |key, value| {
            let mut written = Vec::new();
            write_value(
                &Value::from(Properties::from_iter([(key.to_owned(), value.clone())])),
                &mut written,
            );
            let is_misread = is_value_misread(&mut Decoder::new(&written)).unwrap_or_default();
            let is_unstorable = is_unstorable(key) || is_misread;
            is_unstorable
                .then(|| Reason::Unstorable(describe(&format!("{key} of {subject}"), site)))
        });
    }

    /// Removes the groups whose ID is nobody's.
    fn check_groups(&mut self, call: &mut Call, place: usize) {
        let (subject, site) = (self.subject.clone(), self.place);
        self.check_members(call, place, |key, value| {
            let id = placeholder_in(value)?;
            Some(Reason::PlaceholderId {
                what: describe(&format!("the group {key} of {subject}"), site),
                id,
            })
        });
    }

    /// Removes the members of an argument for which there is a reason.
    fn check_members(
        &mut self,
        call: &mut Call,
        place: usize,
        reason: impl Fn(&str, &Value) -> Option<Reason>,
    ) {
        let Some(Value::Object(members)) = call.args().get(place) else {
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
            if let Some(members) = args.get_mut(place).and_then(Value::as_object_mut) {
                Properties::remove(members, &key);
            }
            (self.report)(reason);
        }
        replace(call, args);
    }
}

/// Returns the subject that an ID was given to, with the place where that is known.
pub(crate) fn describe(subject: &str, place: Option<CallSite>) -> String {
    match place {
        Some(place) => format!("{subject} at {place}"),
        None => subject.to_owned(),
    }
}

/// Gives a call other arguments, if they are others.
fn replace(call: &mut Call, args: Vec<Value>) {
    if call.args() != args {
        *call = Call::new(call.method().clone(), args);
    }
}

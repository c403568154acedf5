//! mixpanel-js's API in Rust under the same names. Calls are recorded; delivery comes later.

mod amount;
mod consent;
pub(crate) mod encode;
mod group;
mod id;
mod identity;
mod lines;
mod people;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::call::json::{KnownNames, MAX_DEPTH, is_deeper};
use crate::call::{Args, Call, Method, Mode};
use crate::error::{Failure, Reason};
use crate::record::recorder::{CallSite, Condition, Entry, Recorder};
use crate::record::scope_registry;
use crate::record::strategy::Strategy;

pub use crate::record::mixpanel::amount::{Amount, sealed};
pub(crate) use crate::record::mixpanel::encode::{encode_id, encode_ids};
pub use crate::record::mixpanel::group::Group;
pub use crate::record::mixpanel::id::{Id, Ids};
pub use crate::record::mixpanel::lines::Lines;
pub use crate::record::mixpanel::people::People;

/// Handle that records calls: mixpanel-js's `mixpanel` in Rust.
///
/// In a handler it is an extractor. Elsewhere below the middleware, the functions of the same names
/// at the top of this crate do the same. Clones are cheap and may move to another thread or a
/// spawned task: their calls are delivered under the request's visitor.
///
/// ```
/// use mengpaneel::Mixpanel;
/// use serde_json::json;
///
/// async fn buy(mixpanel: Mixpanel) -> &'static str {
///     mixpanel.track("Buy", json!({"Amount": 12.5}));
///     mixpanel.people().increment("Purchases", 1);
///     "thank you"
/// }
/// ```
#[derive(Clone)]
pub struct Mixpanel {
    recorder: Option<Arc<Recorder>>,
    /// True if the handle was created outside of any scope: each call site that uses it is
    /// reported.
    is_outside: bool,
    mode: Mode,
    via_server: bool,
    /// Condition under which the calls count.
    condition: Condition,
    /// Function whose own lines the mode is limited to.
    limit: Option<Lines>,
}

impl Mixpanel {
    /// Creates a handle that records in tracking mode.
    pub(crate) fn new(recorder: Arc<Recorder>) -> Self {
        Self {
            recorder: Some(recorder),
            is_outside: false,
            mode: Mode::Tracking,
            via_server: false,
            condition: Condition::Always,
            limit: None,
        }
    }

    /// Creates a handle that records nothing: no token, no middleware, or an opted-out visitor.
    pub(crate) fn detached() -> Self {
        Self {
            recorder: None,
            is_outside: false,
            mode: Mode::Tracking,
            via_server: false,
            condition: Condition::Always,
            limit: None,
        }
    }

    /// Creates a handle for code outside of any scope. The handle records nothing and reports each
    /// call site that tries.
    pub(crate) fn outside_scope() -> Self {
        Self {
            is_outside: true,
            ..Self::detached()
        }
    }

    /// Reports the caller if this handle was created outside of any scope.
    #[track_caller]
    fn report_outside(&self, method: &Method) {
        if self.is_outside {
            scope_registry::report(Location::caller(), method);
        }
    }

    pub(crate) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.recorder.as_ref()
    }

    /// Returns whether calls are recorded.
    ///
    /// False without a token, without consent, and without the middleware. Opt-in and opt-out calls
    /// take effect regardless of consent.
    pub fn is_recording(&self) -> bool {
        self.recorder
            .as_ref()
            .is_some_and(|recorder| recorder.is_recording())
    }

    /// Returns the mode in which this handle records.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Returns a handle on the same recorder in another mode.
    #[must_use]
    pub fn in_mode(&self, mode: Mode) -> Self {
        Self {
            mode,
            ..self.clone()
        }
    }

    /// Returns a handle for a bare `#[setup]`, whose calls count under `condition`. With a `limit`,
    /// setup mode applies only to call sites in that function.
    pub(crate) fn in_setup(&self, condition: Condition, limit: Option<Lines>) -> Self {
        Self {
            mode: Mode::Setup,
            condition,
            limit,
            ..self.clone()
        }
    }

    /// Returns the handle for a call site. Outside of the function that limits the mode, the handle
    /// records in tracking mode.
    pub(crate) fn for_call_site(self, site: &Location<'_>) -> Self {
        match self.limit {
            Some(limit) if !limit.contain(site) => Self {
                mode: Mode::Tracking,
                condition: Condition::Always,
                limit: None,
                ..self
            },
            _ => Self {
                limit: None,
                ..self
            },
        }
    }

    /// Returns a handle on the same recorder for calls that only the server sends: `via(server)`.
    #[must_use]
    pub fn via_server(&self) -> Self {
        Self {
            via_server: true,
            ..self.clone()
        }
    }

    pub(crate) fn is_via_server(&self) -> bool {
        self.via_server
    }

    /// Records in setup mode the calls that `calls` makes on its handle. They replace all earlier
    /// setup.
    #[track_caller]
    pub fn setup(&self, calls: impl FnOnce(&Self)) {
        self.report_outside(&Method::Identify);
        if let Some(recorder) = &self.recorder {
            recorder.begin_setup(self.condition);
            calls(&self.in_mode(Mode::Setup));
        }
    }

    /// Records in before-setup mode the calls that `calls` makes on its handle.
    ///
    /// They run while the browser still has the anonymous ID, as the `alias` of a legacy project
    /// requires.
    pub fn before_setup(&self, calls: impl FnOnce(&Self)) {
        calls(&self.in_mode(Mode::BeforeSetup));
    }

    /// Records in tracking mode, the default, the calls that `calls` makes on its handle.
    pub fn tracking(&self, calls: impl FnOnce(&Self)) {
        calls(&self.in_mode(Mode::Tracking));
    }

    /// Prefers `strategy` for the calls of this request. If it declines, the strategies after it
    /// are tried.
    pub fn prefer(&self, strategy: Strategy) {
        if let Some(recorder) = &self.recorder {
            recorder.prefer(strategy);
        }
    }

    /// `mixpanel.track`: records an event. Properties are any value that serialises to an object;
    /// `()` means none.
    #[track_caller]
    pub fn track(&self, event: impl AsRef<str>, properties: impl Serialize) {
        if let Some(recorder) = &self.recorder {
            let (event, meta) = (event.as_ref(), recorder.event_meta());
            let mut args = Args::with_capacity();
            args.push_text(event);
            let mut names = KnownNames::default();
            let site = CallSite::caller();
            let members = meta.members();
            args.push(|to| {
                names = self.encode_properties_with(&members, event, &|| site, properties, to);
            });
            args.set_names(names.with_meta());
            recorder.record_with_meta(self.entry(Method::Track, args), meta.id, site);
        } else {
            self.report_outside(&Method::Track);
        }
    }

    /// `mixpanel.track_pageview`: records the event `$mp_web_page_view`.
    #[track_caller]
    pub fn track_pageview(&self, properties: impl Serialize) {
        let site = CallSite::caller();
        let mut args = Args::with_capacity();
        args.push(|to| self.encode_properties("track_pageview", &|| site, properties, to));
        self.call_encoded(Method::TrackPageview, args);
    }

    /// `mixpanel.track_with_groups`: records an event that belongs to groups, such as
    /// `{"company": "acme"}`.
    #[track_caller]
    pub fn track_with_groups(
        &self,
        event: impl AsRef<str>,
        properties: impl Serialize,
        groups: impl Serialize,
    ) {
        let (event, site) = (event.as_ref(), CallSite::caller());
        let mut args = Args::with_capacity();
        args.push_text(event);
        args.push(|to| self.encode_properties(event, &|| site, properties, to));
        args.push(|to| self.encode_properties("groups", &|| site, groups, to));
        self.call_encoded(Method::TrackWithGroups, args);
    }

    /// `mixpanel.time_event`: starts a timer. The next event of that name gets its `$duration`.
    #[track_caller]
    pub fn time_event(&self, event: impl AsRef<str>) {
        self.call(Method::TimeEvent, vec![Value::from(event.as_ref())]);
    }

    /// `mixpanel.register`: sets properties of every later event.
    #[track_caller]
    pub fn register(&self, properties: impl Serialize) {
        self.call_with_properties(Method::Register, properties);
    }

    /// `mixpanel.register_once`: as [`register`](Self::register), for properties without a value.
    #[track_caller]
    pub fn register_once(&self, properties: impl Serialize) {
        self.call_with_properties(Method::RegisterOnce, properties);
    }

    /// `mixpanel.unregister`: removes a property from every later event.
    #[track_caller]
    pub fn unregister(&self, property: impl AsRef<str>) {
        self.call(Method::Unregister, vec![Value::from(property.as_ref())]);
    }

    /// `mixpanel.disable`: disables later events of these names, or all events if the list is
    /// empty.
    #[track_caller]
    pub fn disable<I: IntoIterator<Item: AsRef<str>>>(&self, events: I) {
        let events: Vec<Value> = events
            .into_iter()
            .map(|event| Value::from(event.as_ref()))
            .collect();
        let args = if events.is_empty() {
            vec![]
        } else {
            vec![Value::from(events)]
        };
        self.call(Method::Disable, args);
    }

    /// `mixpanel.people`: returns the profile of the identified user.
    pub fn people(&self) -> People {
        People::new(self.clone())
    }

    /// `mixpanel.get_group`: returns the profile of a group.
    pub fn get_group(&self, key: impl AsRef<str>, id: impl Id) -> Group {
        let mut group = Args::with_capacity();
        group.push_text(key.as_ref());
        group.push(|to| encode_id(&id, to));
        Group::new(self.clone(), group)
    }

    /// Records a method of mixpanel-js that has no counterpart here, such as `["name_tag"]`.
    ///
    /// A browser runs the method if it exists. The server cannot run it and reports it to
    /// `on_error`.
    ///
    /// ```
    /// # fn demo(mixpanel: &mengpaneel::Mixpanel) {
    /// mixpanel.call_method(&["name_tag"], ["Jane"]);
    /// # }
    /// ```
    #[track_caller]
    pub fn call_method<A: Serialize>(&self, path: &[&str], args: impl IntoIterator<Item = A>) {
        let site = CallSite::caller();
        let mut encoded = Args::with_capacity();
        for arg in args {
            encoded.push(|to| self.encode_value(&path.join("."), &|| site, arg, to));
        }
        match Method::from_path(path) {
            Some(method) => self.call_encoded(method, encoded),
            None => self.report(Reason::Unsupported(format!(
                "{} at {site} is not a method path of mixpanel-js: use [\"name\"] or [\"people\", \"name\"]",
                path.join(".")
            ))),
        }
    }

    /// Records a call with these arguments.
    #[track_caller]
    pub fn call(&self, method: Method, args: Vec<Value>) {
        if args.iter().any(|arg| is_deeper(arg, MAX_DEPTH)) {
            let error = format!("the value is nested more than {MAX_DEPTH} levels deep");
            let subject = format!("an argument of {method} at {}", CallSite::caller());
            return self.report(Reason::NotSerializable { subject, error });
        }
        self.call_encoded(method, args.into());
    }

    #[track_caller]
    pub(crate) fn call_encoded(&self, method: Method, args: Args) {
        if let Some(recorder) = &self.recorder {
            recorder.record(self.entry(method, args));
        } else {
            self.report_outside(&method);
        }
    }

    fn entry(&self, method: Method, args: Args) -> Entry {
        let (mode, via_server, condition) = (self.mode, self.via_server, self.condition);
        let call = Call::with_args(method, args);
        Entry {
            call,
            mode,
            via_server,
            condition,
            seq: None,
        }
    }

    pub(crate) fn report(&self, reason: Reason) {
        if let Some(recorder) = &self.recorder {
            recorder.report(&Failure::for_calls(reason, vec![]));
        }
    }

    #[track_caller]
    pub(crate) fn call_with_properties(&self, method: Method, properties: impl Serialize) {
        if self.recorder.is_some() {
            let site = CallSite::caller();
            let mut args = Args::with_capacity();
            args.push(|to| self.encode_properties(&method, &|| site, properties, to));
            self.call_encoded(method, args);
        } else {
            self.report_outside(&method);
        }
    }
}

impl fmt::Debug for Mixpanel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mixpanel")
            .field("is_recording", &self.is_recording())
            .field("mode", &self.mode)
            .field("via_server", &self.via_server)
            .finish_non_exhaustive()
    }
}

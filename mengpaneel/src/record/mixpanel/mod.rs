//! mixpanel-js's API in Rust, under its own names: every call is recorded, none is sent here.

mod amount;
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

use crate::call::value::{MAX_DEPTH, is_too_deep};
use crate::call::{Args, Call, Method, Mode};
use crate::error::{Failure, Reason};
use crate::record::recorder::{CallSite, Condition, Entry, Recorder};
use crate::record::scope_registry;
use crate::record::strategy::Strategy;

pub use crate::record::mixpanel::amount::Amount;
pub(crate) use crate::record::mixpanel::encode::{ID_PROPERTIES, write_id, write_ids};
pub use crate::record::mixpanel::group::Group;
pub use crate::record::mixpanel::id::{Id, Ids};
pub use crate::record::mixpanel::lines::Lines;
pub use crate::record::mixpanel::people::People;

/// The handle on what is recorded: mixpanel-js's `mixpanel`, in Rust.
///
/// In a handler it is an extractor; elsewhere below the middleware the functions of the same names
/// at the top of this crate do the same. It is cheap to clone and may be taken to another thread
/// or into a spawned task: what it records there is delivered under the request's visitor.
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
    /// True for a handle that was taken outside of any scope: each place that records by it is
    /// reported.
    is_outside: bool,
    mode: Mode,
    via_server: bool,
    /// Condition under which the calls count.
    condition: Condition,
    /// The function to whose own lines the mode is limited.
    limit: Option<Lines>,
}

impl Mixpanel {
    /// A handle on a recorder, in tracking mode.
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

    /// A handle that records nothing: no token, no middleware, or a visitor who opted out.
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

    /// A handle that was taken outside of any scope: it records nothing and reports each place that
    /// tries.
    pub(crate) fn outside() -> Self {
        Self {
            is_outside: true,
            ..Self::detached()
        }
    }

    /// Reports the caller's place, if this handle was taken outside of any scope.
    #[track_caller]
    fn report_outside(&self, method: &Method) {
        if self.is_outside {
            scope_registry::report(Location::caller(), method);
        }
    }

    pub(crate) fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.recorder.as_ref()
    }

    /// Returns whether calls are recorded. Not so without a token, for a visitor without consent,
    /// and where the middleware is missing. Opt-in and opt-out calls take effect all the same.
    pub fn is_recording(&self) -> bool {
        self.recorder
            .as_ref()
            .is_some_and(|recorder| recorder.is_recording())
    }

    /// The mode in which this handle records.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The same recorder, in another mode.
    #[must_use]
    pub fn in_mode(&self, mode: Mode) -> Self {
        Self {
            mode,
            ..self.clone()
        }
    }

    /// The same recorder for a bare `#[setup]`, whose calls count under `condition`; in the lines
    /// of one function alone, where there is a limit.
    pub(crate) fn in_setup(&self, condition: Condition, limit: Option<Lines>) -> Self {
        Self {
            mode: Mode::Setup,
            condition,
            limit,
            ..self.clone()
        }
    }

    /// The handle for a call site: outside of the function that limits the mode, in tracking mode.
    pub(crate) fn at(self, site: &Location<'_>) -> Self {
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

    /// The same recorder, for calls that only the server may send: `via(server)`.
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

    /// Records in setup mode what `calls` calls on the handle it is given, in the place of all
    /// setup before it.
    #[track_caller]
    pub fn setup(&self, calls: impl FnOnce(&Self)) {
        self.report_outside(&Method::Identify);
        if let Some(recorder) = &self.recorder {
            recorder.begin_setup(self.condition);
            calls(&self.in_mode(Mode::Setup));
        }
    }

    /// Records before setup, while the browser still knows the anonymous visitor, what `calls`
    /// calls on the handle it is given: the place of a legacy project's `alias`.
    pub fn before_setup(&self, calls: impl FnOnce(&Self)) {
        calls(&self.in_mode(Mode::BeforeSetup));
    }

    /// Records in tracking mode, the default, what `calls` calls on the handle it is given.
    pub fn tracking(&self, calls: impl FnOnce(&Self)) {
        calls(&self.in_mode(Mode::Tracking));
    }

    /// Asks that this request's calls leave by `strategy`. If that cannot take them, the ones
    /// after it are tried.
    pub fn prefer(&self, strategy: Strategy) {
        if let Some(recorder) = &self.recorder {
            recorder.prefer(strategy);
        }
    }

    /// `mixpanel.track`: an event, with properties that are anything that serialises to an object;
    /// `()` for none.
    #[track_caller]
    pub fn track(&self, event: impl AsRef<str>, properties: impl Serialize) {
        if let Some(recorder) = &self.recorder {
            let (event, stamp) = (event.as_ref(), recorder.event_meta());
            let mut args = Args::with_capacity();
            args.push_text(event);
            let mut may_have_id = false;
            let place = CallSite::of_caller();
            let members = stamp.members();
            args.push(|to| {
                may_have_id = self.properties_with(&members, event, &|| place, properties, to);
            });
            recorder.record_with_meta(
                self.entry(Method::Track, args),
                Some(stamp.id),
                may_have_id.then_some(place),
            );
        } else {
            self.report_outside(&Method::Track);
        }
    }

    /// `mixpanel.track_pageview`: the event `$mp_web_page_view`.
    #[track_caller]
    pub fn track_pageview(&self, properties: impl Serialize) {
        let place = CallSite::of_caller();
        let mut args = Args::with_capacity();
        args.push(|to| self.properties("track_pageview", &|| place, properties, to));
        self.call_written(Method::TrackPageview, args);
    }

    /// `mixpanel.track_with_groups`: an event that belongs to groups, `{"company": "acme"}`.
    #[track_caller]
    pub fn track_with_groups(
        &self,
        event: impl AsRef<str>,
        properties: impl Serialize,
        groups: impl Serialize,
    ) {
        let (event, place) = (event.as_ref(), CallSite::of_caller());
        let mut args = Args::with_capacity();
        args.push_text(event);
        args.push(|to| self.properties(event, &|| place, properties, to));
        args.push(|to| self.properties("groups", &|| place, groups, to));
        self.call_written(Method::TrackWithGroups, args);
    }

    /// `mixpanel.time_event`: starts a clock; the next event of that name gets its `$duration`.
    #[track_caller]
    pub fn time_event(&self, event: impl AsRef<str>) {
        self.call(Method::TimeEvent, vec![Value::from(event.as_ref())]);
    }

    /// `mixpanel.register`: properties that go with every later event.
    #[track_caller]
    pub fn register(&self, properties: impl Serialize) {
        self.with_properties(Method::Register, properties);
    }

    /// `mixpanel.register_once`: as [`register`](Self::register), where there is no value yet.
    #[track_caller]
    pub fn register_once(&self, properties: impl Serialize) {
        self.with_properties(Method::RegisterOnce, properties);
    }

    /// `mixpanel.unregister`: a property that no longer goes with every event.
    #[track_caller]
    pub fn unregister(&self, property: impl AsRef<str>) {
        self.call(Method::Unregister, vec![Value::from(property.as_ref())]);
    }

    /// `mixpanel.disable`: no events of these names from here on; all of them with an empty list.
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

    /// `mixpanel.opt_in_tracking`: the visitor agreed to be tracked. The response sets
    /// mixpanel-js's cookie, and what this request records from here on is delivered, first of
    /// all the event `$opt_in`, as mixpanel-js has it.
    #[track_caller]
    pub fn opt_in_tracking(&self) {
        self.call(Method::OptInTracking, vec![]);
    }

    /// `mixpanel.opt_out_tracking`: the visitor does not want to be tracked. The response sets
    /// mixpanel-js's cookie; what this request recorded before is delivered by the server, and what
    /// it records from here on is dropped. The profile is kept: `{"delete_user": false}`.
    #[track_caller]
    pub fn opt_out_tracking(&self) {
        self.call(
            Method::OptOutTracking,
            vec![serde_json::json!({"delete_user": false})],
        );
    }

    /// `mixpanel.clear_opt_in_out_tracking`: as if the visitor had never been asked. The response
    /// removes mixpanel-js's cookie.
    #[track_caller]
    pub fn clear_opt_in_out_tracking(&self) {
        self.call(Method::ClearOptInOutTracking, vec![]);
    }

    /// `mixpanel.people`: the profile of who is identified.
    pub fn people(&self) -> People {
        People::new(self.clone())
    }

    /// `mixpanel.get_group`: the profile of a group.
    pub fn get_group(&self, key: impl AsRef<str>, id: impl Id) -> Group {
        let mut group = Args::with_capacity();
        group.push_text(key.as_ref());
        group.push(|to| write_id(&id, to));
        Group::new(self.clone(), group)
    }

    /// The escape hatch: a method of mixpanel-js that has no name here, such as `["name_tag"]`. A
    /// browser runs it where it exists; a server cannot, and tells `on_error`.
    ///
    /// ```
    /// # fn demo(mixpanel: &mengpaneel::Mixpanel) {
    /// mixpanel.call_method(&["name_tag"], ["Jane"]);
    /// # }
    /// ```
    #[track_caller]
    pub fn call_method<A: Serialize>(&self, path: &[&str], args: impl IntoIterator<Item = A>) {
        let place = CallSite::of_caller();
        let mut written = Args::with_capacity();
        for arg in args {
            written.push(|to| self.value(&path.join("."), &|| place, arg, to));
        }
        match Method::from_path(path) {
            Some(method) => self.call_written(method, written),
            None => self.report(Reason::Unsupported(format!(
                "{} at {place} cannot be a method of mixpanel-js: write it as [\"name\"] or [\"people\", \"name\"]",
                path.join(".")
            ))),
        }
    }

    /// Records a call as it stands.
    #[track_caller]
    pub fn call(&self, method: Method, args: Vec<Value>) {
        if args.iter().any(is_too_deep) {
            let why = format!("it is nested more than {MAX_DEPTH} deep");
            let what = format!("an argument of {method} at {}", CallSite::of_caller());
            return self.report(Reason::NotSerializable { what, why });
        }
        self.call_written(method, args.into());
    }

    #[track_caller]
    pub(crate) fn call_written(&self, method: Method, args: Args) {
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
    pub(crate) fn with_properties(&self, method: Method, properties: impl Serialize) {
        if self.recorder.is_some() {
            let place = CallSite::of_caller();
            let mut args = Args::with_capacity();
            args.push(|to| self.properties(&method, &|| place, properties, to));
            self.call_written(method, args);
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

//! Current recorder: the request, job or script that the running code belongs to.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use serde::Serialize;

use crate::call::Method;
use crate::record::mixpanel::{Group, Id, Ids, Mixpanel, People};
use crate::record::recorder::ObservedCalls;
use crate::record::scope_registry;

tokio::task_local! {
    static CURRENT: Mixpanel;
}

/// Returns the handle of the request, job or script that this code runs in.
///
/// Outside of any scope the handle records nothing. Each call site that tries is reported once to
/// `on_error`.
///
/// ```
/// assert!(!mengpaneel::current().is_recording());
/// ```
#[track_caller]
pub fn current() -> Mixpanel {
    let site = Location::caller();
    try_current().map_or_else(Mixpanel::outside_scope, |mixpanel| {
        mixpanel.for_call_site(site)
    })
}

/// Returns the current handle, or `None` outside of any scope.
pub(crate) fn try_current() -> Option<Mixpanel> {
    CURRENT.try_with(Clone::clone).ok()
}

/// Returns the observer of the current recorder. `None` unless a test observes it.
pub(crate) fn observer() -> Option<Arc<ObservedCalls>> {
    CURRENT
        .try_with(|mixpanel| mixpanel.recorder()?.observer())
        .ok()?
}

impl Mixpanel {
    /// Runs `future` as part of the same request, job or script.
    ///
    /// Free functions and attributes inside it record where this handle records. Spawned tasks
    /// need this: they do not inherit the scope.
    ///
    /// ```
    /// # async fn demo() {
    /// let mixpanel = mengpaneel::current();
    /// tokio::spawn(mixpanel.scope(async { mengpaneel::track("Mail Sent", ()) }));
    /// # }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        CURRENT.scope(self.clone(), future)
    }

    /// Runs synchronous code, such as the body of a `web::block`, as [`scope`](Self::scope) runs a
    /// future.
    pub fn sync_scope<R>(&self, body: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self.clone(), body)
    }
}

/// Returns the handle of the caller's scope.
///
/// Outside of any scope the handle records nothing, and each call site is reported once.
#[track_caller]
fn current_or_warn(method: &Method) -> Mixpanel {
    let site = Location::caller();
    let Some(mixpanel) = try_current() else {
        scope_registry::report(site, method);
        return Mixpanel::detached();
    };
    mixpanel.for_call_site(site)
}

/// Records an event of the current request; see [`Mixpanel::track`].
///
/// ```
/// mengpaneel::track("Sign In", ());
/// mengpaneel::track("Buy", serde_json::json!({"Amount": 12.5}));
/// ```
#[track_caller]
pub fn track(event: impl AsRef<str>, properties: impl Serialize) {
    current_or_warn(&Method::Track).track(event, properties);
}

/// Records a page view; see [`Mixpanel::track_pageview`].
#[track_caller]
pub fn track_pageview(properties: impl Serialize) {
    current_or_warn(&Method::TrackPageview).track_pageview(properties);
}

/// Records an event that belongs to groups; see [`Mixpanel::track_with_groups`].
#[track_caller]
pub fn track_with_groups(
    event: impl AsRef<str>,
    properties: impl Serialize,
    groups: impl Serialize,
) {
    current_or_warn(&Method::TrackWithGroups).track_with_groups(event, properties, groups);
}

/// Starts the timer of an event; see [`Mixpanel::time_event`].
#[track_caller]
pub fn time_event(event: impl AsRef<str>) {
    current_or_warn(&Method::TimeEvent).time_event(event);
}

/// Identifies the visitor as a user; see [`Mixpanel::identify`].
#[track_caller]
pub fn identify(id: impl Id) {
    current_or_warn(&Method::Identify).identify(id);
}

/// Links the anonymous visitor to a user; see [`Mixpanel::alias`].
#[track_caller]
pub fn alias(alias: impl Id) {
    current_or_warn(&Method::Alias).alias(alias);
}

/// Clears the identity; see [`Mixpanel::reset`].
#[track_caller]
pub fn reset() {
    current_or_warn(&Method::Reset).reset();
}

/// Sets properties of every later event; see [`Mixpanel::register`].
#[track_caller]
pub fn register(properties: impl Serialize) {
    current_or_warn(&Method::Register).register(properties);
}

/// Sets properties of every later event unless they are set; see [`Mixpanel::register_once`].
#[track_caller]
pub fn register_once(properties: impl Serialize) {
    current_or_warn(&Method::RegisterOnce).register_once(properties);
}

/// Removes a property from every later event; see [`Mixpanel::unregister`].
#[track_caller]
pub fn unregister(property: impl AsRef<str>) {
    current_or_warn(&Method::Unregister).unregister(property);
}

/// Sets the visitor's group or groups; see [`Mixpanel::set_group`].
#[track_caller]
pub fn set_group(key: impl AsRef<str>, ids: impl Ids) {
    current_or_warn(&Method::SetGroup).set_group(key, ids);
}

/// Adds the visitor to a group; see [`Mixpanel::add_group`].
#[track_caller]
pub fn add_group(key: impl AsRef<str>, id: impl Id) {
    current_or_warn(&Method::AddGroup).add_group(key, id);
}

/// Removes the visitor from a group; see [`Mixpanel::remove_group`].
#[track_caller]
pub fn remove_group(key: impl AsRef<str>, id: impl Id) {
    current_or_warn(&Method::RemoveGroup).remove_group(key, id);
}

/// Disables later events of these names; see [`Mixpanel::disable`].
#[track_caller]
pub fn disable<I: IntoIterator<Item: AsRef<str>>>(events: I) {
    current_or_warn(&Method::Disable).disable(events);
}

/// Returns the profile of the identified user; see [`Mixpanel::people`].
///
/// ```
/// mengpaneel::people().increment("Posts", 1);
/// ```
#[track_caller]
pub fn people() -> People {
    current_or_warn(&Method::PeopleSet).people()
}

/// Returns the profile of a group; see [`Mixpanel::get_group`].
///
/// ```
/// mengpaneel::get_group("company", "acme").set(serde_json::json!({"Plan": "Pro"}));
/// ```
#[track_caller]
pub fn get_group(key: impl AsRef<str>, id: impl Id) -> Group {
    current_or_warn(&Method::GroupSet).get_group(key, id)
}

/// Records setup, which replaces all earlier setup; see [`Mixpanel::setup`].
///
/// ```
/// mengpaneel::setup(|mixpanel| mixpanel.identify(42));
/// ```
#[track_caller]
pub fn setup(calls: impl FnOnce(&Mixpanel)) {
    let mixpanel = current_or_warn(&Method::Identify);
    mixpanel.setup(|setup| setup.sync_scope(|| calls(setup)));
}

/// Records calls that run before setup; see [`Mixpanel::before_setup`].
///
/// ```
/// mengpaneel::before_setup(|mixpanel| mixpanel.alias(42));
/// ```
#[track_caller]
pub fn before_setup(calls: impl FnOnce(&Mixpanel)) {
    let mixpanel = current_or_warn(&Method::Alias);
    mixpanel.before_setup(|before| before.sync_scope(|| calls(before)));
}

/// Records in tracking mode inside a block of another mode; see [`Mixpanel::tracking`].
#[track_caller]
pub fn tracking(calls: impl FnOnce(&Mixpanel)) {
    let mixpanel = current_or_warn(&Method::Track);
    mixpanel.tracking(|tracking| tracking.sync_scope(|| calls(tracking)));
}

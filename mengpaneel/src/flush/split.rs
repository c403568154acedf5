//! Splits of a set: calls that the chosen strategy must not deliver, and what accompanies each
//! part.

use std::borrow::Cow;
use std::cell::LazyCell;

use crate::call::json::JsonRef;
use crate::call::{Call, Calls, Method, Mode};
use crate::id::now_ms;
use crate::record::recorder::event_meta::add_identity as add_event_identity;
use crate::record::visitor::{Browser, Visitor};

/// Maximum bytes of arguments in a page. Beyond this the server delivers the calls, so that a page
/// stays small, whatever an application puts in a property.
pub(crate) const MAX_SNIPPET_BYTES: usize = 64 * 1024;

const MODES: [Mode; 3] = [Mode::BeforeSetup, Mode::Setup, Mode::Tracking];
/// Maximum age of an event that a browser may deliver. `/track` silently drops events older than
/// five days; one day is reserved for the transport.
const MAX_AGE_MS: u64 = 4 * 24 * 60 * 60 * 1_000;

/// Splits a set into the calls that `is_excluded` does not match, and those that it matches.
fn split(calls: &Calls, is_excluded: impl Fn(&Call) -> bool) -> (Calls, Calls) {
    let (mut rest, mut excluded) = (Calls::default(), Calls::default());
    for mode in MODES {
        (*excluded.mode_mut(mode), *rest.mode_mut(mode)) = calls
            .mode(mode)
            .iter()
            .cloned()
            .partition(|call| is_excluded(call));
    }
    (rest, excluded)
}

/// Excludes calls that count twice if the browser or a cookie repeats them. Also excludes profile
/// calls, which would change the profile of the next user of the browser.
///
/// Only calls of a known user are excluded, since the server can deliver those at once. After an
/// `alias`, which only the browser can run, profile calls stay behind it.
pub(crate) fn exclude_non_idempotent(calls: &Calls, visitor: &Visitor) -> (Calls, Calls) {
    let is_known = calls.identity().is_some() || visitor.browser().user_id.is_some();
    let has_alias = calls
        .before_setup
        .iter()
        .any(|call| call.method() == &Method::Alias);
    let (mut rest, mut excluded) = split(calls, |call| is_known && !call.method().is_idempotent());
    if is_known && !has_alias {
        let is_excluded = |call: &Call| !call.method().is_idempotent() || call.method().is_people();
        (excluded.tracking, rest.tracking) = calls.tracking.iter().cloned().partition(is_excluded);
    }
    (rest, excluded)
}

/// Excludes calls that a page cannot run, or might run twice. A browser that has lost its record of
/// the page view may show a cached page. The server delivers the excluded calls under
/// the identity of `calls`.
pub(crate) fn for_page<'a, 'v>(
    calls: &'a Calls,
    visitor: impl Fn() -> &'v Visitor,
) -> (Cow<'a, Calls>, Calls) {
    let (ours, foreign) = exclude_foreign(calls, || visitor().browser());
    if ours.iter().all(|call| call.method().is_idempotent()) {
        return (ours, foreign);
    }
    let (ours, mut excluded) = exclude_non_idempotent(&ours, visitor());
    for mode in MODES {
        excluded
            .mode_mut(mode)
            .splice(0..0, foreign.mode(mode).iter().cloned());
    }
    (Cow::Owned(ours), excluded)
}

/// Same as [`for_page`] for calls that were recorded after the head of a streamed page was sent,
/// under the identity of `context`.
pub(crate) fn for_late_snippet<'a>(
    late: Calls,
    context: &[Call],
    visitor: impl Fn() -> &'a Visitor,
) -> (Calls, Calls) {
    let sets_identity = |call: &&Call| matches!(call.method(), Method::Identify | Method::Reset);
    let identity: Vec<Call> = context.iter().filter(sets_identity).cloned().collect();
    let identity_len = identity.len();
    let all = Calls {
        setup: [identity, late.setup].concat(),
        ..late
    };
    let (ours, excluded) = for_page(&all, visitor);
    let mut ours = ours.into_owned();
    ours.setup.drain(..identity_len);
    (ours, excluded)
}

/// Excludes calls that the browser would not run as recorded.
///
/// These are events of another user than the browser's, charges, which mixpanel-js ignores, and
/// calls that the browser would misread.
/// Most sets have none of these, and are borrowed.
pub(crate) fn exclude_foreign(
    calls: &Calls,
    visitor: impl FnOnce() -> Browser,
) -> (Cow<'_, Calls>, Calls) {
    let has_user = |call: &Call| call.method().is_track() && user_id(call).is_some();
    let is_unsupported =
        |call: &Call| call.method() == &Method::PeopleTrackCharge || call.is_misread_by_browsers();
    if !calls
        .iter()
        .any(|call| has_user(call) || is_unsupported(call))
    {
        return (Cow::Borrowed(calls), Calls::default());
    }
    let browser_user = visitor().user_id;
    let current_user = calls.identity().or(browser_user.as_deref());
    let is_foreign = |call: &Call| {
        call.method().is_track()
            && current_user.is_some()
            && user_id(call).is_some_and(|user_id| user_id.as_text().as_deref() != current_user)
    };
    let (ours, foreign) = split(calls, |call| is_foreign(call) || is_unsupported(call));
    (Cow::Owned(ours), foreign)
}

/// Returns the user that an event names. `None` for an event without `$user_id`.
fn user_id(call: &Call) -> Option<JsonRef<'_>> {
    call.property("$user_id")
}

/// Adds to each event the identity in force when it was recorded: the page that runs the event may
/// be another user's.
pub(crate) fn add_identity(calls: &mut Calls, visitor: &Visitor) {
    let mut identity = calls
        .before_setup
        .iter()
        .chain(&calls.setup)
        .fold(None, identity_after);
    let device_id = LazyCell::new(|| visitor.browser().device_id);
    for call in &mut calls.tracking {
        identity = identity_after(identity, call);
        if let Some(identity) = &identity {
            add_event_identity(call, identity, || device_id.as_deref());
        }
    }
}

/// Returns the identity in force after a call. `None` if nobody is identified.
fn identity_after(identity: Option<String>, call: &Call) -> Option<String> {
    match call.method() {
        Method::Identify => call.str_arg(0).map(str::to_owned).or(identity),
        Method::Reset => None,
        _ => identity,
    }
}

/// Number of bytes of the calls' arguments as JSON.
pub(crate) fn argument_bytes(calls: &Calls) -> usize {
    calls
        .iter()
        .map(|call| call.recorded_args().as_json().as_bytes().len())
        .sum()
}

/// Moves the events of setup in front of the tracked events. Setup may be replaced or omitted
/// before it runs, but its events must be delivered in any case.
pub(crate) fn retain_setup_events(calls: &Calls) -> Cow<'_, Calls> {
    if !calls.setup.iter().any(|call| call.method().is_track()) {
        return Cow::Borrowed(calls);
    }
    let (mut tracking, setup): (Vec<_>, Vec<_>) = calls
        .setup
        .iter()
        .cloned()
        .partition(|call| call.method().is_track());
    tracking.extend_from_slice(&calls.tracking);
    Cow::Owned(Calls {
        before_setup: calls.before_setup.clone(),
        setup,
        tracking,
    })
}

/// Returns whether an event is older than Mixpanel accepts from a browser.
pub(crate) fn has_too_old_event(calls: &Calls) -> bool {
    let now = now_ms();
    calls
        .tracking
        .iter()
        .filter_map(time_ms)
        .any(|time| now.saturating_sub(time) > MAX_AGE_MS)
}

/// Returns the time of an event in milliseconds, or `None` without one. Mixpanel accepts seconds
/// and milliseconds, and distinguishes them by size.
fn time_ms(call: &Call) -> Option<u64> {
    let time = call.property("time")?.as_u64()?;
    Some(if time < 100_000_000_000 {
        time * 1_000
    } else {
        time
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn call(method: Method, args: Value) -> Call {
        let Value::Array(args) = args else {
            panic!("arguments must be an array")
        };
        Call::new(method, args)
    }

    fn identified_calls(id: &str) -> Calls {
        Calls {
            setup: vec![call(Method::Identify, json!([id]))],
            ..Calls::default()
        }
    }

    #[test]
    fn increment_of_known_user_is_not_delayed() {
        let increment = call(Method::PeopleIncrement, json!([{"Posts": 1}]));
        let calls = Calls {
            tracking: vec![increment],
            ..identified_calls("1")
        };
        let (rest, excluded) = exclude_non_idempotent(&calls, &Visitor::default());
        assert!(rest.tracking.is_empty() && rest.setup.len() == 1);
        assert_eq!(excluded.tracking.len(), 1);
        let anonymous = Calls {
            setup: vec![],
            ..calls
        };
        assert!(
            exclude_non_idempotent(&anonymous, &Visitor::default())
                .1
                .is_empty()
        );
    }

    #[test]
    fn event_of_another_user_is_excluded() {
        let foreign = call(Method::Track, json!(["Sign Out", {"$user_id": "1"}]));
        let ours = call(Method::Track, json!(["Sign In", {"$user_id": "2"}]));
        let calls = Calls {
            tracking: vec![foreign.clone(), ours.clone()],
            ..identified_calls("2")
        };
        let (rest, excluded) = exclude_foreign(&calls, Browser::default);
        assert_eq!(
            (rest.into_owned().tracking, excluded.tracking),
            (vec![ours], vec![foreign])
        );
    }

    #[test]
    fn charge_is_excluded_because_mixpanel_js_ignores_it() {
        let charge = call(Method::PeopleTrackCharge, json!([5]));
        let calls = Calls {
            tracking: vec![charge.clone()],
            ..identified_calls("2")
        };
        let (rest, excluded) = exclude_foreign(&calls, Browser::default);
        assert_eq!(
            (rest.into_owned().tracking, excluded.tracking),
            (vec![], vec![charge])
        );
    }

    #[test]
    fn event_gets_the_identity_in_force_before_it() {
        let mut calls = Calls {
            tracking: vec![
                call(Method::Track, json!(["a"])),
                call(Method::Identify, json!(["2"])),
                call(Method::Track, json!(["b"])),
                call(Method::Reset, json!([])),
                call(Method::Track, json!(["c"])),
            ],
            ..identified_calls("1")
        };
        add_identity(&mut calls, &Visitor::default());
        let user_ids: Vec<_> = [0, 2, 4]
            .map(|index| {
                calls.tracking[index]
                    .properties()
                    .and_then(|properties| properties.get("$user_id").cloned())
            })
            .into();
        assert_eq!(user_ids, [Some(json!("1")), Some(json!("2")), None]);
    }

    #[test]
    fn page_of_known_user_excludes_non_idempotent_calls() {
        let visitor = Visitor::default();
        let page = |calls: &Calls| {
            let (ours, excluded) = for_page(calls, || &visitor);
            (ours.into_owned(), excluded)
        };
        let [view, set, increment] = [
            call(Method::Track, json!(["View"])),
            call(Method::PeopleSet, json!([{"Posts": 0}])),
            call(Method::PeopleIncrement, json!([{"Posts": 1}])),
        ];
        let tracking = vec![view.clone(), set.clone(), increment.clone()];
        let known = Calls {
            tracking: tracking.clone(),
            ..identified_calls("1")
        };
        let (ours, excluded) = page(&known);
        assert_eq!(
            (ours.setup, ours.tracking),
            (known.setup.clone(), vec![view.clone()])
        );
        // Earlier calls on the same profile are excluded with it.
        assert_eq!(
            (excluded.setup.len(), excluded.tracking),
            (0, vec![set.clone(), increment])
        );
        let idempotent = Calls {
            tracking: vec![view, set],
            ..known
        };
        assert_eq!(page(&idempotent), (idempotent.clone(), Calls::default()));
        let anonymous = Calls {
            tracking,
            ..Calls::default()
        };
        assert_eq!(page(&anonymous), (anonymous.clone(), Calls::default()));
    }

    #[test]
    fn late_snippet_of_known_user_excludes_non_idempotent_calls() {
        let visitor = Visitor::default();
        let [view, increment] = [
            call(Method::Track, json!(["Late"])),
            call(Method::PeopleIncrement, json!([{"Posts": 1}])),
        ];
        let late = Calls {
            tracking: vec![view.clone(), increment.clone()],
            ..Calls::default()
        };
        let context = [increment.clone(), call(Method::Identify, json!(["1"]))];
        let (ours, excluded) = for_late_snippet(late.clone(), &context, || &visitor);
        assert_eq!((ours.setup.len(), ours.tracking), (0, vec![view]));
        assert_eq!(
            (excluded.setup.len(), excluded.tracking),
            (0, vec![increment])
        );
        assert_eq!(
            for_late_snippet(late.clone(), &[], || &visitor),
            (late, Calls::default())
        );
    }

    #[test]
    fn event_older_than_four_days_is_too_old() {
        let with_time = |time: u64| Calls {
            tracking: vec![call(Method::Track, json!(["a", {"time": time}]))],
            ..Calls::default()
        };
        assert!(has_too_old_event(&with_time(now_ms() - 5 * 24 * 3_600_000)));
        assert!(has_too_old_event(&with_time(
            (now_ms() - 5 * 24 * 3_600_000) / 1_000
        )));
        assert!(!has_too_old_event(&with_time(
            now_ms() - 3 * 24 * 3_600_000
        )));
    }
}

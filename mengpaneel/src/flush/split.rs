//! Splits: calls that must not take the way of the others, and what goes with each.

use std::borrow::Cow;

use crate::call::value::ValueRef;
use crate::call::{Call, Calls, Method, Mode};
use crate::id::now_ms;
use crate::record::recorder::event_meta::add_identity as stamp_identity;
use crate::record::visitor::{Browser, Visitor};

/// Number of bytes that the arguments of the calls in a page may take: a page is to stay small,
/// whatever an application puts in a property. Beyond it the calls go by the server.
pub(crate) const MAX_SNIPPET_BYTES: usize = 64 * 1024;

const MODES: [Mode; 3] = [Mode::BeforeSetup, Mode::Setup, Mode::Tracking];
/// `/track` drops what is older than five days in silence; a day is left for it to arrive.
const MAX_AGE_MS: u64 = 4 * 24 * 60 * 60 * 1_000;

/// Takes out the calls that `is_other` picks. The second set is those.
fn split(calls: &Calls, is_other: impl Fn(&Call) -> bool) -> (Calls, Calls) {
    let (mut rest, mut others) = (Calls::default(), Calls::default());
    for mode in MODES {
        let (other, own): (Vec<_>, Vec<_>) = calls.mode(mode).iter().cloned().partition(&is_other);
        *rest.mode_mut(mode) = own;
        *others.mode_mut(mode) = other;
    }
    (rest, others)
}

/// Takes out what would count twice if the browser or a cookie repeated it, and what would change
/// the profile of whoever is there next, where it is known whose it is: the server can send that at
/// once. After an `alias`, which only the browser can make, a profile waits for it.
pub(crate) fn take_non_idempotent(calls: &Calls, visitor: &Visitor) -> (Calls, Calls) {
    let is_known = calls.identity().is_some() || visitor.browser().user_id.is_some();
    let aliases = calls
        .before_setup
        .iter()
        .any(|call| call.method() == &Method::Alias);
    let (mut rest, mut others) = split(calls, |call| is_known && !call.method().is_idempotent());
    if is_known && !aliases {
        let is_theirs = |call: &Call| !call.method().is_idempotent() || call.method().is_people();
        (others.tracking, rest.tracking) = calls.tracking.iter().cloned().partition(is_theirs);
    }
    (rest, others)
}

/// Takes out what a page cannot make, or might make twice: a page that comes from a cache may meet
/// a browser that has forgotten it. The second set is for the server, under the identity of
/// `calls`.
pub(crate) fn for_page<'a, 'v>(
    calls: &'a Calls,
    visitor: impl Fn() -> &'v Visitor,
) -> (Cow<'a, Calls>, Calls) {
    let (ours, foreign) = take_foreign(calls, || visitor().browser());
    if ours.iter().all(|call| call.method().is_idempotent()) {
        return (ours, foreign);
    }
    let (ours, mut others) = take_non_idempotent(&ours, visitor());
    for mode in MODES {
        others
            .mode_mut(mode)
            .splice(0..0, foreign.mode(mode).iter().cloned());
    }
    (Cow::Owned(ours), others)
}

/// Does the same for calls that were recorded after the head of a streamed page had left, under the
/// identity of `context`.
pub(crate) fn for_late_block<'a>(
    late: Calls,
    context: &[Call],
    visitor: impl Fn() -> &'a Visitor,
) -> (Calls, Calls) {
    let decides = |call: &&Call| matches!(call.method(), Method::Identify | Method::Reset);
    let identity: Vec<Call> = context.iter().filter(decides).cloned().collect();
    let before = identity.len();
    let all = Calls {
        setup: [identity, late.setup].concat(),
        ..late
    };
    let (ours, others) = for_page(&all, visitor);
    let mut ours = ours.into_owned();
    ours.setup.drain(..before);
    (ours, others)
}

/// Takes out what the browser would not say as it was meant: the events of another than whom it
/// will take itself for, charges, which mixpanel-js ignores, and what it would misread. Mostly that
/// is nothing.
pub(crate) fn take_foreign(
    calls: &Calls,
    visitor: impl FnOnce() -> Browser,
) -> (Cow<'_, Calls>, Calls) {
    let told = |call: &Call| call.method().is_track() && user_id(call).is_some();
    let is_unknown =
        |call: &Call| call.method() == &Method::PeopleTrackCharge || call.is_misread_by_browsers();
    let may_be_foreign = |call: &Call| told(call) || is_unknown(call);
    if !calls.iter().any(may_be_foreign) {
        return (Cow::Borrowed(calls), Calls::default());
    }
    let browser = visitor().user_id;
    let here = calls.identity().or(browser.as_deref());
    let is_foreign = |call: &Call| {
        call.method().is_track()
            && here.is_some()
            && user_id(call).is_some_and(|owner| owner.as_text() != here)
    };
    let (ours, foreign) = split(calls, |call| is_foreign(call) || is_unknown(call));
    (Cow::Owned(ours), foreign)
}

/// Whose event it says it is.
fn user_id(call: &Call) -> Option<ValueRef<'_>> {
    call.property("$user_id")
}

/// Writes on each event whose it is, as of now: the page that runs it may be another user's.
pub(crate) fn add_identity(calls: &mut Calls, visitor: &Visitor) {
    let mut identity = calls
        .before_setup
        .iter()
        .chain(&calls.setup)
        .fold(None, identified);
    for call in &mut calls.tracking {
        identity = identified(identity, call);
        if let Some(identity) = &identity {
            stamp_identity(call, identity, visitor);
        }
    }
}

fn identified(known: Option<String>, call: &Call) -> Option<String> {
    match call.method() {
        Method::Identify => call.str_arg(0).map(str::to_owned).or(known),
        Method::Reset => None,
        _ => known,
    }
}

/// Number of bytes that the arguments of the calls take, as they were recorded.
pub(crate) fn bytes(calls: &Calls) -> usize {
    calls
        .iter()
        .map(|call| call.as_encoded().as_encoded().len())
        .sum()
}

/// Moves the events of setup to the events that were tracked, in front of them: setup may be
/// replaced by another before it runs, or left out, and an event is to be delivered all the same.
pub(crate) fn retain_setup_events(calls: &Calls) -> Cow<'_, Calls> {
    if !calls.setup.iter().any(|call| call.method().is_track()) {
        return Cow::Borrowed(calls);
    }
    let (mut events, setup): (Vec<_>, Vec<_>) = calls
        .setup
        .iter()
        .cloned()
        .partition(|call| call.method().is_track());
    events.extend_from_slice(&calls.tracking);
    Cow::Owned(Calls {
        before_setup: calls.before_setup.clone(),
        setup,
        tracking: events,
    })
}

/// Whether an event is older than Mixpanel takes from a browser.
pub(crate) fn is_too_old(calls: &Calls) -> bool {
    let now = now_ms();
    calls
        .tracking
        .iter()
        .filter_map(time_ms)
        .any(|time| now.saturating_sub(time) > MAX_AGE_MS)
}

/// When an event happened. Mixpanel takes seconds and milliseconds, and tells them by size.
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
            panic!("arguments are a list")
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
    fn an_increment_does_not_wait_where_the_user_is_known() {
        let increment = call(Method::PeopleIncrement, json!([{"Posts": 1}]));
        let calls = Calls {
            tracking: vec![increment],
            ..identified_calls("1")
        };
        let (rest, now) = take_non_idempotent(&calls, &Visitor::default());
        assert!(rest.tracking.is_empty() && rest.setup.len() == 1);
        assert_eq!(now.tracking.len(), 1);
        let of_nobody = Calls {
            setup: vec![],
            ..calls
        };
        assert!(
            take_non_idempotent(&of_nobody, &Visitor::default())
                .1
                .is_empty()
        );
    }

    #[test]
    fn an_event_of_another_user_is_foreign() {
        let theirs = call(Method::Track, json!(["Sign Out", {"$user_id": "1"}]));
        let ours = call(Method::Track, json!(["Sign In", {"$user_id": "2"}]));
        let calls = Calls {
            tracking: vec![theirs.clone(), ours.clone()],
            ..identified_calls("2")
        };
        let (rest, foreign_calls) = take_foreign(&calls, Browser::default);
        assert_eq!(
            (rest.into_owned().tracking, foreign_calls.tracking),
            (vec![ours], vec![theirs])
        );
    }

    #[test]
    fn a_charge_is_left_to_the_server_since_mixpanel_js_ignores_it() {
        let charge = call(Method::PeopleTrackCharge, json!([5]));
        let calls = Calls {
            tracking: vec![charge.clone()],
            ..identified_calls("2")
        };
        let (rest, by_server) = take_foreign(&calls, Browser::default);
        assert_eq!(
            (rest.into_owned().tracking, by_server.tracking),
            (vec![], vec![charge])
        );
    }

    #[test]
    fn an_event_is_stamped_with_who_was_identified_before_it() {
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
        let owners: Vec<_> = [0, 2, 4]
            .map(|at| {
                calls.tracking[at]
                    .properties()
                    .and_then(|properties| properties.get("$user_id").cloned())
            })
            .into();
        assert_eq!(owners, [Some(json!("1")), Some(json!("2")), None]);
    }

    #[test]
    fn operation_that_counts_twice_stays_out_of_a_page_of_a_known_user() {
        let visitor = Visitor::default();
        let page = |calls: &Calls| {
            let (ours, others) = for_page(calls, || &visitor);
            (ours.into_owned(), others)
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
        let (ours, others) = page(&known);
        assert_eq!(
            (ours.setup, ours.tracking),
            (known.setup.clone(), vec![view.clone()])
        );
        // What precedes the operation in the profile goes with it.
        assert_eq!(
            (others.setup.len(), others.tracking),
            (0, vec![set.clone(), increment])
        );
        let without = Calls {
            tracking: vec![view, set],
            ..known
        };
        assert_eq!(page(&without), (without.clone(), Calls::default()));
        let anonymous = Calls {
            tracking,
            ..Calls::default()
        };
        assert_eq!(page(&anonymous), (anonymous.clone(), Calls::default()));
    }

    #[test]
    fn late_operation_of_a_known_user_stays_out_of_the_page_too() {
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
        let (ours, others) = for_late_block(late.clone(), &context, || &visitor);
        assert_eq!((ours.setup.len(), ours.tracking), (0, vec![view]));
        assert_eq!((others.setup.len(), others.tracking), (0, vec![increment]));
        assert_eq!(
            for_late_block(late.clone(), &[], || &visitor),
            (late, Calls::default())
        );
    }

    #[test]
    fn an_event_of_last_week_is_too_old() {
        let at = |time: u64| Calls {
            tracking: vec![call(Method::Track, json!(["a", {"time": time}]))],
            ..Calls::default()
        };
        assert!(is_too_old(&at(now_ms() - 5 * 24 * 3_600_000)));
        assert!(is_too_old(&at((now_ms() - 5 * 24 * 3_600_000) / 1_000)));
        assert!(!is_too_old(&at(now_ms() - 3 * 24 * 3_600_000)));
    }
}

//! Suppression of repeated `people.set` calls: an unchanged profile is not sent on each request.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::call::Method;
use crate::translate::message::{Endpoint, Message};

/// Number of users that are remembered; the oldest are forgotten first.
const MAX_USERS: usize = 10_000;
/// Time for which a `set` is remembered: a browser may have set another value since.
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// Fingerprints of the last `people.set` of each user.
#[derive(Debug, Default)]
pub(crate) struct ProfileDedup {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sets: HashMap<String, LastSet>,
    /// The same users, oldest first. Some of them may have been forgotten already.
    order: VecDeque<(String, Instant)>,
}

#[derive(Debug)]
struct LastSet {
    fingerprint: u64,
    stored_at: Instant,
}

impl ProfileDedup {
    /// Returns whether a message repeats the last `people.set` of its user, and remembers it.
    ///
    /// Any other operation on the profile makes the last `set` forgotten.
    pub(crate) fn check_and_remember(&self, message: &Message) -> bool {
        let Some(user) = user(message) else {
            return false;
        };
        if message.call.method() != &Method::PeopleSet {
            self.forget(message);
            return false;
        }
        let fingerprint = self.fingerprint(message);
        let now = Instant::now();
        let mut state = self.lock();
        if state
            .sets
            .get(user)
            .is_some_and(|set| set.fingerprint == fingerprint && now < set.stored_at + MAX_AGE)
        {
            return true;
        }
        state.sets.insert(
            user.to_owned(),
            LastSet {
                fingerprint,
                stored_at: now,
            },
        );
        state.order.push_back((user.to_owned(), now));
        while state.order.len() > MAX_USERS {
            let Some((user, stored_at)) = state.order.pop_front() else {
                break;
            };
            if state
                .sets
                .get(&user)
                .is_some_and(|set| set.stored_at == stored_at)
            {
                state.sets.remove(&user);
            }
        }
        false
    }

    /// Forgets a message that was not delivered, so that the next equal one is sent.
    pub(crate) fn forget(&self, message: &Message) {
        if let Some(user) = user(message) {
            self.lock().sets.remove(user);
        }
    }

    /// Returns a hash of the message body without its time.
    fn fingerprint(&self, message: &Message) -> u64 {
        let mut body = message.body.clone();
        if let Some(body) = body.as_object_mut() {
            body.remove("$time");
        }
        self.hasher.hash_one(body.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn user(message: &Message) -> Option<&str> {
    (message.endpoint == Endpoint::People).then(|| message.body.get("$distinct_id")?.as_str())?
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::call::Call;

    fn message(user: &str, method: Method, value: &Value) -> Message {
        let body = json!({"$distinct_id": user, "$time": Value::Null, "$set": value});
        Message {
            endpoint: Endpoint::People,
            body,
            call: Call::new(method, vec![]),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_set_is_suppressed_until_max_age() {
        let dedup = ProfileDedup::default();
        let set = |user: &str, plan: &str| {
            dedup.check_and_remember(&message(user, Method::PeopleSet, &json!({"Plan": plan})))
        };
        assert_eq!(
            [set("1", "Pro"), set("1", "Pro"), set("2", "Pro")],
            [false, true, false]
        );
        assert_eq!([set("1", "Free"), set("1", "Pro")], [false, false]);
        tokio::time::advance(MAX_AGE).await;
        assert!(!set("1", "Pro"));
    }

    #[test]
    fn other_change_or_failure_allows_next_set() {
        let dedup = ProfileDedup::default();
        let set = message("1", Method::PeopleSet, &json!({"a": 1}));
        assert!(!dedup.check_and_remember(&set));
        assert!(!dedup.check_and_remember(&message("1", Method::PeopleUnset, &json!(["a"]))));
        assert!(!dedup.check_and_remember(&set));
        dedup.forget(&set);
        assert!(!dedup.check_and_remember(&set));
        assert!(dedup.check_and_remember(&set));
    }

    #[test]
    fn number_of_remembered_users_is_bounded() {
        let dedup = ProfileDedup::default();
        let set = |user: usize| {
            dedup.check_and_remember(&message(
                &user.to_string(),
                Method::PeopleSet,
                &json!({"a": 1}),
            ))
        };
        assert!((0..=MAX_USERS).all(|user| !set(user)));
        assert!(set(MAX_USERS) && !set(0));
        assert!(dedup.lock().sets.len() <= MAX_USERS);
    }
}

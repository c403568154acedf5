//! Suppression of repeated `people.set` calls: an unchanged profile is not sent on each request.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::translate::message::Endpoint;
use crate::translate::outgoing::Outgoing;

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
    /// Last `set` of each user, by the partition key. Two users with the same key only forget each
    /// other's: the fingerprint contains the ID.
    sets: HashMap<u64, LastSet>,
    /// The same users, oldest first. Some of them may have been forgotten already.
    order: VecDeque<(u64, Instant)>,
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
    pub(crate) fn check_and_remember(&self, message: &Outgoing, json: &[u8]) -> bool {
        let Some(set) = message.set_len.and_then(|len| json.get(..len)) else {
            self.forget(message);
            return false;
        };
        let (user, fingerprint) = (message.partition_key, self.hasher.hash_one(set));
        let now = Instant::now();
        let mut state = self.lock();
        if state
            .sets
            .get(&user)
            .is_some_and(|set| set.fingerprint == fingerprint && now < set.stored_at + MAX_AGE)
        {
            return true;
        }
        state.sets.insert(
            user,
            LastSet {
                fingerprint,
                stored_at: now,
            },
        );
        state.order.push_back((user, now));
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
    pub(crate) fn forget(&self, message: &Outgoing) {
        if message.endpoint == Endpoint::People {
            self.lock().sets.remove(&message.partition_key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::call::{Call, Method};
    use crate::translate::message::Message;

    /// Encodes a message, each with another time.
    fn message(user: &str, method: Method, value: &Value) -> (Outgoing, Vec<u8>) {
        let time = uuid::Uuid::now_v7().to_string();
        let message = Message {
            endpoint: Endpoint::People,
            body: json!({"$distinct_id": user, "$time": time, "$set": value}),
            call: Call::new(method, vec![]),
        };
        let mut json = Vec::new();
        (Outgoing::encode(&message, 0, &mut json), json)
    }

    impl ProfileDedup {
        fn check(&self, user: &str, method: Method, value: &Value) -> bool {
            let (message, json) = message(user, method, value);
            self.check_and_remember(&message, &json)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn repeated_set_is_suppressed_until_max_age() {
        let dedup = ProfileDedup::default();
        let set =
            |user: &str, plan: &str| dedup.check(user, Method::PeopleSet, &json!({"Plan": plan}));
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
        let set = || dedup.check("1", Method::PeopleSet, &json!({"a": 1}));
        assert!(!set());
        assert!(!dedup.check("1", Method::PeopleUnset, &json!(["a"])));
        assert!(!set());
        dedup.forget(&message("1", Method::PeopleSet, &json!({"a": 1})).0);
        assert!(!set());
        assert!(set());
    }

    #[test]
    fn number_of_remembered_users_is_bounded() {
        let dedup = ProfileDedup::default();
        let set = |user: usize| dedup.check(&user.to_string(), Method::PeopleSet, &json!({"a": 1}));
        assert!((0..=MAX_USERS).all(|user| !set(user)));
        assert!(set(MAX_USERS) && !set(0));
        assert!(dedup.lock().sets.len() <= MAX_USERS);
    }
}

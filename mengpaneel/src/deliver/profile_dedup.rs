//! The last `people.set` of each user, so that the same is not said again on each request.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::call::Method;
use crate::translate::message::{Endpoint, Message};

/// So many users are remembered, and for so long: a browser may have said something else since.
const MAX_USERS: usize = 10_000;
const MAX_AGE: Duration = Duration::from_secs(15 * 60);

/// Fingerprints of what was last set.
#[derive(Debug, Default)]
pub(crate) struct ProfileDedup {
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sets: HashMap<String, LastSet>,
    /// The same users, those that were set first before the others; some of them long forgotten.
    order: VecDeque<(String, Instant)>,
}

#[derive(Debug)]
struct LastSet {
    fingerprint: u64,
    at: Instant,
}

impl ProfileDedup {
    /// Whether a message says of its user what was said last. It is remembered; any other operation
    /// on the user's profile makes that forgotten.
    pub(crate) fn is_repeated(&self, message: &Message) -> bool {
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
            .is_some_and(|set| set.fingerprint == fingerprint && now < set.at + MAX_AGE)
        {
            return true;
        }
        state.sets.insert(
            user.to_owned(),
            LastSet {
                fingerprint,
                at: now,
            },
        );
        state.order.push_back((user.to_owned(), now));
        while state.order.len() > MAX_USERS {
            let Some((user, at)) = state.order.pop_front() else {
                break;
            };
            if state.sets.get(&user).is_some_and(|set| set.at == at) {
                state.sets.remove(&user);
            }
        }
        false
    }

    /// It did not arrive: the next that says the same is no repetition.
    pub(crate) fn forget(&self, message: &Message) {
        if let Some(user) = user(message) {
            self.lock().sets.remove(user);
        }
    }

    /// Of all that is said but the time.
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
    async fn what_was_set_last_is_not_set_again_for_a_while() {
        let sets = ProfileDedup::default();
        let set = |user: &str, plan: &str| {
            sets.is_repeated(&message(user, Method::PeopleSet, &json!({"Plan": plan})))
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
    fn after_any_other_change_or_a_failure_it_is_set_again() {
        let sets = ProfileDedup::default();
        let set = message("1", Method::PeopleSet, &json!({"a": 1}));
        assert!(!sets.is_repeated(&set));
        assert!(!sets.is_repeated(&message("1", Method::PeopleUnset, &json!(["a"]))));
        assert!(!sets.is_repeated(&set));
        sets.forget(&set);
        assert!(!sets.is_repeated(&set));
        assert!(sets.is_repeated(&set));
    }

    #[test]
    fn only_so_many_users_are_remembered() {
        let sets = ProfileDedup::default();
        let set = |user: usize| {
            sets.is_repeated(&message(
                &user.to_string(),
                Method::PeopleSet,
                &json!({"a": 1}),
            ))
        };
        assert!((0..=MAX_USERS).all(|user| !set(user)));
        assert!(set(MAX_USERS) && !set(0));
        assert!(sets.lock().sets.len() <= MAX_USERS);
    }
}

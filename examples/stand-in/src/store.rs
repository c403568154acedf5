//! Everything that arrived, in its order, for tests to look at and to wait for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::sync::watch;

use crate::faults::{Fault, Faults};
use crate::profile::{self, Profile};
use crate::received::{Endpoint, Note, Received, Refused, Request};

/// The most entries that are kept; the oldest go.
const MAX_ENTRIES: usize = 100_000;

/// One line of the log.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A request was answered, or not.
    Request(Request),
    /// A record was taken.
    Received(Received),
    /// A record was refused, or dropped without a word.
    Refused(Refused),
    /// The application said something.
    Note(Note),
}

type Refusal = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

#[derive(Default)]
struct State {
    log: Vec<(u64, Entry)>,
    count: u64,
    faults: Faults,
    refuse: Option<Refusal>,
}

/// What arrived at one stand-in, and what is wrong with it. Clones share.
#[derive(Clone)]
pub struct Store {
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

impl Default for Store {
    fn default() -> Self {
        Self { state: Arc::default(), changed: watch::Sender::new(()) }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} entries)", self.lock().log.len())
    }
}

/// What was waited for did not come.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("nothing that fits came within {deadline:?}; what came: {came:?}")]
pub struct TimedOut {
    /// How long was waited.
    pub deadline: Duration,
    /// What arrived instead, one line each.
    pub came: Vec<String>,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.send_replace(());
        changed
    }

    pub(crate) fn add(&self, entries: impl IntoIterator<Item = Entry>) {
        self.change(|state| {
            for entry in entries {
                if state.log.len() >= MAX_ENTRIES {
                    state.log.drain(..MAX_ENTRIES / 10);
                }
                state.count += 1;
                state.log.push((state.count, entry));
            }
        });
    }

    /// What `pick` makes of the entries, in order.
    pub(crate) fn collect<T>(&self, pick: impl FnMut(&(u64, Entry)) -> Option<T>) -> Vec<T> {
        self.lock().log.iter().filter_map(pick).collect()
    }

    fn received(&self, fits: impl Fn(&Received) -> bool) -> Vec<Received> {
        self.collect(|(_, entry)| match entry {
            Entry::Received(received) if fits(received) => Some(received.clone()),
            _ => None,
        })
    }

    /// The events that were taken, copies and all.
    #[must_use]
    pub fn events(&self) -> Vec<Received> {
        self.received(|one| matches!(one.endpoint, Endpoint::Track | Endpoint::Import))
    }

    /// The events as Mixpanel counts them: of copies only the latest, in the place of the first.
    #[must_use]
    pub fn counted(&self) -> Vec<Received> {
        let mut places = HashMap::new();
        let mut counted = Vec::new();
        for event in self.events() {
            let known = event.dedupe_key().map(|key| *places.entry(key).or_insert(counted.len()));
            match known.and_then(|place| counted.get_mut(place)) {
                Some(copy) => *copy = event,
                None => counted.push(event),
            }
        }
        counted
    }

    /// The counted events of one name.
    #[must_use]
    pub fn counted_as(&self, name: &str) -> Vec<Received> {
        let mut counted = self.counted();
        counted.retain(|event| event.event() == name);
        counted
    }

    /// The operations on people's profiles.
    #[must_use]
    pub fn profiles(&self) -> Vec<Received> {
        self.received(|one| one.endpoint == Endpoint::Engage)
    }

    /// The operations on groups' profiles.
    #[must_use]
    pub fn groups(&self) -> Vec<Received> {
        self.received(|one| one.endpoint == Endpoint::Groups)
    }

    /// A person's profile, after all operations.
    #[must_use]
    pub fn profile(&self, distinct_id: &str) -> Option<Profile> {
        self.profiles()
            .iter()
            .filter(|one| one.distinct_id() == Some(distinct_id))
            .fold(None, |profile, one| profile::apply(profile, &one.body))
    }

    /// A group's profile, after all operations.
    #[must_use]
    pub fn group(&self, key: &str, id: &Value) -> Option<Profile> {
        self.groups()
            .iter()
            .filter(|one| one.body["$group_key"] == key && one.body["$group_id"] == *id)
            .fold(None, |profile, one| profile::apply(profile, &one.body))
    }

    /// The records that were refused, or dropped for their age.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        self.collect(|(_, entry)| match entry {
            Entry::Refused(refused) => Some(refused.clone()),
            _ => None,
        })
    }

    /// Every request to an endpoint, whatever became of it.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.collect(|(_, entry)| match entry {
            Entry::Request(request) => Some(request.clone()),
            _ => None,
        })
    }

    /// What the application said of its requests.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        self.collect(|(_, entry)| match entry {
            Entry::Note(note) => Some(note.clone()),
            _ => None,
        })
    }

    /// Adds what the application says of one of its requests.
    pub fn note(&self, note: Note) {
        self.add([Entry::Note(note)]);
    }

    /// Forgets what arrived; what is wrong stays.
    pub fn clear(&self) {
        self.change(|state| state.log.clear());
    }

    /// Waits until `look` finds what it looks for; it looks again whenever something arrives.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] when that takes longer than `deadline`.
    pub async fn wait_for<T>(
        &self,
        mut look: impl FnMut(&Self) -> Option<T>,
        deadline: Duration,
    ) -> Result<T, TimedOut> {
        let mut changes = self.changed.subscribe();
        let found = async {
            loop {
                changes.mark_unchanged();
                if let Some(found) = look(self) {
                    return found;
                }
                // Never an error: the sender is in `self`.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(deadline, found)
            .await
            .map_err(|_| TimedOut { deadline, came: self.collect(|(_, entry)| describe(entry)) })
    }

    /// Waits for the first counted event of that name.
    ///
    /// # Errors
    ///
    /// [`TimedOut`] when that takes longer than `deadline`.
    pub async fn wait_for_event(&self, name: &str, deadline: Duration) -> Result<Received, TimedOut> {
        self.wait_for(|store| store.counted_as(name).into_iter().next(), deadline).await
    }

    /// Every request gets this status, and nothing is taken, until [`recover`](Self::recover).
    pub fn fail_with(&self, status: u16) {
        self.change(|state| state.faults.last(Fault::Status(status)));
    }

    /// The next `count` requests get this status, and nothing of them is taken.
    pub fn fail_next(&self, count: usize, status: u16) {
        self.change(|state| state.faults.fail_next(count, status));
    }

    /// Failures by [`fail_with`](Self::fail_with) and [`fail_next`](Self::fail_next) say
    /// `Retry-After`, until [`recover`](Self::recover).
    pub fn retry_after(&self, seconds: u64) {
        self.change(|state| state.faults.set_retry_after(seconds));
    }

    /// Requests wait until [`recover`](Self::recover), and then go on.
    pub fn stall(&self) {
        self.change(|state| state.faults.last(Fault::Stall));
    }

    /// Connections are closed without an answer, and nothing is taken, until
    /// [`recover`](Self::recover).
    pub fn close_connections(&self) {
        self.change(|state| state.faults.last(Fault::Close));
    }

    /// What comes is taken, but connections are closed without an answer, until
    /// [`recover`](Self::recover).
    pub fn lose_answers(&self) {
        self.change(|state| state.faults.last(Fault::LoseAnswer));
    }

    /// Every record for which `refuse` says so is invalid, until [`recover`](Self::recover).
    pub fn refuse(&self, refuse: impl Fn(&Value) -> bool + Send + Sync + 'static) {
        self.change(|state| state.refuse = Some(Arc::new(refuse)));
    }

    /// All is well again.
    pub fn recover(&self) {
        self.change(|state| {
            state.faults = Faults::default();
            state.refuse = None;
        });
    }

    pub(crate) fn next_fault(&self) -> Option<Fault> {
        self.lock().faults.next()
    }

    pub(crate) fn retry_after_now(&self) -> Option<u64> {
        self.lock().faults.retry_after()
    }

    pub(crate) fn refuses(&self, record: &Value) -> bool {
        let refuse = self.lock().refuse.clone();
        refuse.is_some_and(|refuse| refuse(record))
    }

    /// Waits while requests are stalled.
    pub(crate) async fn stalled(&self) {
        let mut changes = self.changed.subscribe();
        while self.lock().faults.is_stalled() {
            let _ = changes.changed().await;
        }
    }
}

fn describe(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Received(one) => {
            Some(format!("{} {} of {:?}", one.endpoint, one.event(), one.distinct_id().unwrap_or_default()))
        }
        Entry::Refused(one) => Some(format!("{} refused: {}", one.endpoint, one.message)),
        Entry::Request(one) => Some(format!("{} answered {:?}", one.endpoint, one.status)),
        Entry::Note(_) => None,
    }
}

#[cfg(test)]
mod tests;

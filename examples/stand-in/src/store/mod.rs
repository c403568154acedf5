//! Log of received data, which tests inspect and wait for.

mod faults;
mod wait;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use crate::faults::Faults;
use crate::profile::{self, Profile};
use crate::received::{Endpoint, Note, Received, Refused, Request, now};

pub use wait::TimedOut;

/// Maximum number of entries. The oldest tenth is dropped when the log is full.
const MAX_ENTRIES: usize = 100_000;

/// Entry of the log.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// Request, with or without a response.
    Request(Request),
    /// Accepted record.
    Received(Received),
    /// Rejected or silently dropped record.
    Refused(Refused),
    /// Note of the application, with its time in milliseconds since 1970.
    Note(Note, u64),
}

type RejectRule = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

#[derive(Default)]
struct State {
    log: Vec<(u64, Entry)>,
    count: u64,
    changes: u64,
    library: Option<Bytes>,
    faults: Faults,
    reject: Option<RejectRule>,
}

/// Received data and injected faults of one stand-in. Clones share their state.
#[derive(Clone)]
pub struct Store {
    state: Arc<Mutex<State>>,
    /// Wakes waiting tasks.
    changed: watch::Sender<()>,
    /// Wakes waiting threads.
    changed_condvar: Arc<Condvar>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            changed: watch::Sender::new(()),
            changed_condvar: Arc::default(),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({} entries)", self.lock().log.len())
    }
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = {
            let mut state = self.lock();
            state.changes += 1;
            change(&mut state)
        };
        self.changed.send_replace(());
        self.changed_condvar.notify_all();
        result
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

    /// Filters and maps the entries, in order.
    pub(crate) fn collect<T>(&self, filter_map: impl FnMut(&(u64, Entry)) -> Option<T>) -> Vec<T> {
        self.lock().log.iter().filter_map(filter_map).collect()
    }

    fn received(&self, matches: impl Fn(&Received) -> bool) -> Vec<Received> {
        self.collect(|(_, entry)| match entry {
            Entry::Received(received) if matches(received) => Some(received.clone()),
            _ => None,
        })
    }

    /// Accepted events, including copies.
    #[must_use]
    pub fn events(&self) -> Vec<Received> {
        self.received(|received| matches!(received.endpoint, Endpoint::Track | Endpoint::Import))
    }

    /// Events as Mixpanel counts them. Of copies, the latest counts, at the position of the first.
    #[must_use]
    pub fn counted(&self) -> Vec<Received> {
        let mut positions = HashMap::new();
        let mut counted = Vec::new();
        for event in self.events() {
            let position = event
                .dedupe_key()
                .map(|key| *positions.entry(key).or_insert(counted.len()));
            match position.and_then(|position| counted.get_mut(position)) {
                Some(earlier) => *earlier = event,
                None => counted.push(event),
            }
        }
        counted
    }

    /// Counted events with one name.
    #[must_use]
    pub fn counted_as(&self, name: &str) -> Vec<Received> {
        let mut counted = self.counted();
        counted.retain(|event| event.event() == name);
        counted
    }

    /// Operations on user profiles.
    #[must_use]
    pub fn profiles(&self) -> Vec<Received> {
        self.received(|received| received.endpoint == Endpoint::Engage)
    }

    /// Operations on group profiles.
    #[must_use]
    pub fn groups(&self) -> Vec<Received> {
        self.received(|received| received.endpoint == Endpoint::Groups)
    }

    /// Profile of a user, after all operations.
    #[must_use]
    pub fn profile(&self, distinct_id: &str) -> Option<Profile> {
        self.profiles()
            .iter()
            .filter(|received| received.distinct_id() == Some(distinct_id))
            .fold(None, |profile, received| {
                profile::apply(profile, &received.body)
            })
    }

    /// Profile of a group, after all operations.
    #[must_use]
    pub fn group(&self, key: &str, id: &Value) -> Option<Profile> {
        self.groups()
            .iter()
            .filter(|received| {
                received.body["$group_key"] == key && received.body["$group_id"] == *id
            })
            .fold(None, |profile, received| {
                profile::apply(profile, &received.body)
            })
    }

    /// Records that were rejected, or dropped for their age.
    #[must_use]
    pub fn refused(&self) -> Vec<Refused> {
        self.collect(|(_, entry)| match entry {
            Entry::Refused(refused) => Some(refused.clone()),
            _ => None,
        })
    }

    /// All requests to the endpoints, with any outcome.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.collect(|(_, entry)| match entry {
            Entry::Request(request) => Some(request.clone()),
            _ => None,
        })
    }

    /// Notes of the application about its requests.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        self.collect(|(_, entry)| match entry {
            Entry::Note(note, _) => Some(note.clone()),
            _ => None,
        })
    }

    /// Adds a note of the application about one of its requests.
    pub fn note(&self, note: Note) {
        self.add([Entry::Note(note, now())]);
    }

    /// Serves this script as `/lib.js`, so that pages can load mixpanel-js from the stand-in.
    pub fn serve_library(&self, script: impl Into<Vec<u8>>) {
        let script = Bytes::from(script.into());
        self.change(|state| state.library = Some(script));
    }

    pub(crate) fn library(&self) -> Option<Bytes> {
        self.lock().library.clone()
    }

    /// Clears the log. Injected faults stay in force.
    pub fn clear(&self) {
        self.change(|state| state.log.clear());
    }
}

#[cfg(test)]
mod tests;

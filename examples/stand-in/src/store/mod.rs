//! Everything that arrived, in its order, for tests to look at and to wait for.

mod trouble;
mod waiting;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use actix_web::web::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use crate::faults::Faults;
use crate::profile::{self, Profile};
use crate::received::{Endpoint, Note, Received, Refused, Request, now};

pub use waiting::TimedOut;

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
    /// The application said something, at that time.
    Note(Note, u64),
}

type Refusal = Arc<dyn Fn(&Value) -> bool + Send + Sync>;

#[derive(Default)]
struct State {
    log: Vec<(u64, Entry)>,
    count: u64,
    changes: u64,
    library: Option<Bytes>,
    faults: Faults,
    refuse: Option<Refusal>,
}

/// What arrived at one stand-in, and what is wrong with it. Clones share.
#[derive(Clone)]
pub struct Store {
    state: Arc<Mutex<State>>,
    /// Wakes those that wait in tasks, and those that wait in threads.
    changed: watch::Sender<()>,
    changed_too: Arc<Condvar>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            changed: watch::Sender::new(()),
            changed_too: Arc::default(),
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
        let changed = {
            let mut state = self.lock();
            state.changes += 1;
            change(&mut state)
        };
        self.changed.send_replace(());
        self.changed_too.notify_all();
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
            let known = event
                .dedupe_key()
                .map(|key| *places.entry(key).or_insert(counted.len()));
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
            Entry::Note(note, _) => Some(note.clone()),
            _ => None,
        })
    }

    /// Adds what the application says of one of its requests.
    pub fn note(&self, note: Note) {
        self.add([Entry::Note(note, now())]);
    }

    /// Serves this script as `/lib.js`, for pages to load mixpanel-js from here.
    pub fn serve_library(&self, script: impl Into<Vec<u8>>) {
        let script = Bytes::from(script.into());
        self.change(|state| state.library = Some(script));
    }

    pub(crate) fn library(&self) -> Option<Bytes> {
        self.lock().library.clone()
    }

    /// Forgets what arrived; what is wrong stays.
    pub fn clear(&self) {
        self.change(|state| state.log.clear());
    }
}

#[cfg(test)]
mod tests;

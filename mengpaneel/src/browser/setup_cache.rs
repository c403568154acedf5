//! Setups as they were written: a visitor's is mostly the same on each page.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::call::Call;

/// How many are remembered. Most are a few hundred bytes each.
const CAPACITY: usize = 1_000;
/// One that is longer than this is written anew each time.
const MAX_LEN: usize = 4_096;

/// What a setup is written as.
#[derive(Debug)]
pub(crate) struct CachedSetup {
    /// The name that the browser remembers it by.
    pub(crate) name: String,
    /// Its calls as a script.
    pub(crate) script: Vec<u8>,
}

/// The setups that were written last, each with what its hash may share with another's: its calls.
#[derive(Debug, Default)]
pub(crate) struct SetupCache {
    state: RandomState,
    known: Mutex<HashMap<u64, Entries, RandomState>>,
}

type Entries = (Vec<Call>, Arc<CachedSetup>);

impl SetupCache {
    /// What these calls are written as, by `write` where they are new.
    pub(crate) fn get_or_render(
        &self,
        calls: &[Call],
        write: impl FnOnce() -> CachedSetup,
    ) -> Arc<CachedSetup> {
        // An event has a name of its own each time: such a setup never comes again.
        if calls.iter().any(|call| call.method().is_track()) {
            return Arc::new(write());
        }
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.slot_of(calls);
        if let Some((_, setup)) = known().get(&place).filter(|(known, _)| known == calls) {
            return Arc::clone(setup);
        }
        let setup = Arc::new(write());
        if setup.script.len() <= MAX_LEN {
            let mut known = known();
            if known.len() >= CAPACITY {
                known.clear();
            }
            known.insert(place, (calls.to_vec(), Arc::clone(&setup)));
        }
        setup
    }

    fn slot_of(&self, calls: &[Call]) -> u64 {
        let mut hasher = self.state.build_hasher();
        for call in calls {
            call.method().hash(&mut hasher);
            hasher.write(call.as_encoded().as_encoded());
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;
    use crate::call::Method;

    fn identify(id: usize) -> Vec<Call> {
        vec![Call::new(Method::Identify, vec![json!(id.to_string())])]
    }

    #[test]
    fn a_setup_is_written_once_and_another_one_anew() {
        let (setups, written) = (SetupCache::default(), Cell::new(0));
        let name = |id: usize| {
            let write = || {
                written.set(written.get() + 1);
                CachedSetup {
                    name: id.to_string(),
                    script: Vec::new(),
                }
            };
            setups.get_or_render(&identify(id), write).name.clone()
        };
        assert_eq!([name(1), name(2), name(1), name(2)], ["1", "2", "1", "2"]);
        assert_eq!(written.get(), 2);
        let after = (0..2 * CAPACITY).map(name).collect::<Vec<_>>();
        assert!(
            after
                .iter()
                .enumerate()
                .all(|(id, name)| *name == id.to_string())
        );
        assert!(setups.known.lock().unwrap().len() <= CAPACITY);
    }

    #[test]
    fn a_setup_with_an_event_is_not_kept() {
        let setups = SetupCache::default();
        let write = || CachedSetup {
            name: "viewed".to_owned(),
            script: Vec::new(),
        };
        let viewed = Call::new(
            Method::Track,
            vec![json!("View"), json!({"$insert_id": "1"})],
        );
        assert_eq!(
            setups
                .get_or_render(&[identify(1), vec![viewed]].concat(), write)
                .name,
            "viewed"
        );
        assert!(setups.known.lock().unwrap().is_empty());
    }
}

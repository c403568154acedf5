//! Cache of rendered setups: the setup of a visitor is usually the same on each page.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::fast::RandomState;

use crate::call::Call;

/// Number of cached setups. Most are a few hundred bytes each.
const CAPACITY: usize = 1_000;
/// Longest cached script, in bytes. A longer one is rendered each time.
const MAX_LEN: usize = 4_096;

/// Rendered setup.
#[derive(Debug)]
pub(crate) struct CachedSetup {
    /// ID by which the browser remembers the setup.
    pub(crate) id: String,
    /// Calls of the setup as JavaScript.
    pub(crate) script: Vec<u8>,
}

/// The latest rendered setups by hash, each with its calls: different calls can have one hash.
#[derive(Debug, Default)]
pub(crate) struct SetupCache {
    state: RandomState,
    entries: Mutex<HashMap<u64, Entry, RandomState>>,
}

type Entry = (Vec<Call>, Arc<CachedSetup>);

impl SetupCache {
    /// Returns the rendered form of these calls. Calls `render` if they are not cached.
    pub(crate) fn get_or_render(
        &self,
        calls: &[Call],
        render: impl FnOnce() -> CachedSetup,
    ) -> Arc<CachedSetup> {
        // An event has a new `$insert_id` each time: such a setup never repeats.
        if calls.iter().any(|call| call.method().is_track()) {
            return Arc::new(render());
        }
        let lock = || self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = self.hash(calls);
        if let Some((_, setup)) = lock().get(&hash).filter(|(cached, _)| cached == calls) {
            return Arc::clone(setup);
        }
        let setup = Arc::new(render());
        if setup.script.len() <= MAX_LEN {
            let mut entries = lock();
            if entries.len() >= CAPACITY {
                entries.clear();
            }
            entries.insert(hash, (calls.to_vec(), Arc::clone(&setup)));
        }
        setup
    }

    fn hash(&self, calls: &[Call]) -> u64 {
        let mut hasher = self.state.build_hasher();
        for call in calls {
            call.method().hash(&mut hasher);
            hasher.write(call.recorded_args().as_json().as_bytes());
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
    fn each_setup_is_rendered_once() {
        let (cache, rendered) = (SetupCache::default(), Cell::new(0));
        let cached_id = |id: usize| {
            let render = || {
                rendered.set(rendered.get() + 1);
                CachedSetup {
                    id: id.to_string(),
                    script: Vec::new(),
                }
            };
            cache.get_or_render(&identify(id), render).id.clone()
        };
        assert_eq!([1, 2, 1, 2].map(cached_id), ["1", "2", "1", "2"]);
        assert_eq!(rendered.get(), 2);
        let many = (0..2 * CAPACITY).map(cached_id).collect::<Vec<_>>();
        assert!(
            many.iter()
                .enumerate()
                .all(|(id, cached)| *cached == id.to_string())
        );
        assert!(cache.entries.lock().unwrap().len() <= CAPACITY);
    }

    #[test]
    fn setup_with_an_event_is_not_cached() {
        let cache = SetupCache::default();
        let render = || CachedSetup {
            id: "viewed".to_owned(),
            script: Vec::new(),
        };
        let viewed = Call::new(
            Method::Track,
            vec![json!("View"), json!({"$insert_id": "1"})],
        );
        assert_eq!(
            cache
                .get_or_render(&[identify(1), vec![viewed]].concat(), render)
                .id,
            "viewed"
        );
        assert!(cache.entries.lock().unwrap().is_empty());
    }
}

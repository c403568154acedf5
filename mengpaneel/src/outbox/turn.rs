//! Turns: how many may be on their way at once.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A place among those on their way.
pub(crate) struct Turn<'a>(&'a AtomicUsize);

impl<'a> Turn<'a> {
    /// A place, where fewer than `max` are taken.
    pub(crate) fn take(pending: &'a AtomicUsize, max: usize) -> Option<Self> {
        let before = pending.fetch_add(1, Ordering::AcqRel);
        let turn = Self(pending);
        (before < max).then_some(turn)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

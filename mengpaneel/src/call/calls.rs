//! Calls of one request, by mode.

use serde::{Deserialize, Serialize};

use crate::call::{Call, Method};

/// Phase in which a call runs: all calls of one mode run before those of the next.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Before `identify`, while the visitor is still anonymous: for `alias`.
    BeforeSetup,
    /// Identity of the visitor: `identify`, `people.set`, `register`. A setup replaces the previous
    /// one.
    Setup,
    /// Events and other calls.
    #[default]
    Tracking,
}

/// Calls of one request, by mode, in the order in which they run.
///
/// The JSON form is that of a carrier cookie: `{"before_setup":[…],"setup":[…],"tracking":[…]}`.
/// Modes without calls are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// Calls that run first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before_setup: Vec<Call>,
    /// Calls that run second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Call>,
    /// Calls that run last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<Call>,
}

impl Calls {
    /// Returns whether there are no calls.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before_setup.is_empty() && self.setup.is_empty() && self.tracking.is_empty()
    }

    /// Returns whether there are setup calls only, and no event among them. The server then sends
    /// nothing.
    #[must_use]
    pub fn is_setup_only(&self) -> bool {
        let is_event = |call: &Call| call.method().is_track();
        self.before_setup.is_empty() && self.tracking.is_empty() && !self.setup.iter().any(is_event)
    }

    /// Returns all calls, in the order in which they run.
    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.before_setup
            .iter()
            .chain(&self.setup)
            .chain(&self.tracking)
    }

    /// Returns the calls of one mode.
    #[must_use]
    pub fn mode(&self, mode: Mode) -> &[Call] {
        match mode {
            Mode::BeforeSetup => &self.before_setup,
            Mode::Setup => &self.setup,
            Mode::Tracking => &self.tracking,
        }
    }

    /// Returns the calls of one mode, mutably.
    pub fn mode_mut(&mut self, mode: Mode) -> &mut Vec<Call> {
        match mode {
            Mode::BeforeSetup => &mut self.before_setup,
            Mode::Setup => &mut self.setup,
            Mode::Tracking => &mut self.tracking,
        }
    }

    /// Adds the calls of another set, each at the end of its mode.
    pub fn append(&mut self, other: Self) {
        self.before_setup.extend(other.before_setup);
        self.setup.extend(other.setup);
        self.tracking.extend(other.tracking);
    }

    /// Returns the ID of the last `identify` (`alias` does not count). `None` if there is none, or
    /// a later `reset`.
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        self.iter().fold(None, |id, call| match call.method() {
            Method::Identify => call.str_arg(0).or(id),
            Method::Reset => None,
            _ => id,
        })
    }
}

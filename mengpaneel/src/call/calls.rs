//! The calls of one request, and when each runs.

use serde::{Deserialize, Serialize};

use crate::call::{Call, Method};

/// When a call runs: everything of one mode before anything of the next.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Before `identify`, while the browser still knows the anonymous visitor: the place of
    /// `alias`.
    BeforeSetup,
    /// Who is there: `identify`, `people.set`, `register`. A setup replaces the one before it.
    Setup,
    /// What happened.
    #[default]
    Tracking,
}

/// The calls of one request, by mode, in the order in which they run.
///
/// The JSON form is that of a carrier cookie: `{"before_setup":[…],"setup":[…],"tracking":[…]}`,
/// modes without calls absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Calls {
    /// Runs first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before_setup: Vec<Call>,
    /// Runs second.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub setup: Vec<Call>,
    /// Runs last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracking: Vec<Call>,
}

impl Calls {
    /// Whether there is no call at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before_setup.is_empty() && self.setup.is_empty() && self.tracking.is_empty()
    }

    /// Returns whether nothing but setup is there, without an event: not worth a message of the
    /// server's.
    #[must_use]
    pub fn is_setup_only(&self) -> bool {
        let is_event = |call: &Call| call.method().is_track();
        self.before_setup.is_empty() && self.tracking.is_empty() && !self.setup.iter().any(is_event)
    }

    /// All calls, in the order in which they run.
    pub fn iter(&self) -> impl Iterator<Item = &Call> {
        self.before_setup
            .iter()
            .chain(&self.setup)
            .chain(&self.tracking)
    }

    /// The calls of one mode.
    #[must_use]
    pub fn mode(&self, mode: Mode) -> &[Call] {
        match mode {
            Mode::BeforeSetup => &self.before_setup,
            Mode::Setup => &self.setup,
            Mode::Tracking => &self.tracking,
        }
    }

    /// The calls of one mode, to change.
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

    /// Who is identified once all of them ran: the last `identify` (`alias` does not count).
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        self.iter().fold(None, |known, call| match call.method() {
            Method::Identify => call.str_arg(0).or(known),
            Method::Reset => None,
            _ => known,
        })
    }
}

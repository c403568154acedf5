//! Problems of a translation.

use crate::call::Call;

/// Calls of an envelope that are not sent, or not sent completely.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Problems {
    /// Calls that the server cannot send, and the reasons.
    pub(crate) refused: Vec<(Call, String)>,
    /// Calls that are sent incompletely, and the parts beyond a limit of Mixpanel.
    pub(crate) truncated: Vec<(Call, String)>,
    /// Number of events that are not sent because mixpanel-js ignores the visitor's browser, a
    /// robot.
    pub(crate) ignored: usize,
    /// True if mixpanel-js drops the events of the visitor's browser.
    pub(crate) is_robot: bool,
}

impl Problems {
    /// Returns whether all calls are sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.truncated.is_empty() && self.ignored == 0
    }
}

//! Services shared by the recorders of one `Mengpaneel`.

use std::sync::Arc;

use crate::error::ErrorReporter;
use crate::id::IdGenerator;
use crate::record::envelope::EnvelopeRef;
use crate::record::recorder::ids::Reported;

/// Receiver of envelopes that are recorded after their request was flushed.
pub(crate) type LateSink = Arc<dyn Fn(EnvelopeRef<'_>) + Send + Sync>;

/// Services shared by all recorders of one `Mengpaneel`.
pub(crate) struct RecorderContext {
    /// Reporter of failures during recording.
    pub reporter: Arc<ErrorReporter>,
    /// Receiver of late calls.
    pub late_sink: LateSink,
    /// Generator of the IDs of events and envelopes.
    pub ids: IdGenerator,
    /// ID problems that were reported.
    pub reported: Reported,
}

impl Default for RecorderContext {
    /// Creates a context that discards late calls.
    fn default() -> Self {
        Self {
            reporter: Arc::default(),
            late_sink: Arc::new(|_| {}),
            ids: IdGenerator::default(),
            reported: Reported::default(),
        }
    }
}

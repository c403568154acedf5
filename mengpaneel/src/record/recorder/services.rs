//! Services shared by the recorders of one `Mengpaneel`.

use std::sync::Arc;

use crate::error::ErrorReporter;
use crate::id::IdGenerator;
use crate::record::envelope::EnvelopeRef;
use crate::record::recorder::ids::ReportedProblems;

/// Receiver of envelopes that are recorded after their request was flushed.
pub(crate) type LateSink = Arc<dyn Fn(EnvelopeRef<'_>) + Send + Sync>;

/// Services shared by all recorders of one `Mengpaneel`.
pub(crate) struct RecorderServices {
    /// Reporter of failures during recording.
    pub reporter: Arc<ErrorReporter>,
    /// Receiver of late calls.
    pub late_sink: LateSink,
    /// Generator of the IDs of events and envelopes.
    pub id_generator: IdGenerator,
    /// Problems with IDs that were reported.
    pub reported_problems: ReportedProblems,
}

impl Default for RecorderServices {
    /// Creates a context that discards late calls.
    fn default() -> Self {
        Self {
            reporter: Arc::default(),
            late_sink: Arc::new(|_| {}),
            id_generator: IdGenerator::default(),
            reported_problems: ReportedProblems::default(),
        }
    }
}

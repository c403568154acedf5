//! Error of a flush or a shutdown that did not deliver everything before its deadline.

use std::fmt;

use thiserror::Error;

/// Records that were not delivered before the deadline of [`flush`](crate::Mengpaneel::flush) or
/// [`shutdown`](crate::Mengpaneel::shutdown).
///
/// The text names the outbox, the fate of the records, and the last delivery error with its URL.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct FlushTimeoutError {
    pub(crate) pending: usize,
    pub(crate) outbox: String,
    pub(crate) fate: Fate,
    pub(crate) last_error: Option<String>,
}

/// Fate of the records after the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Delivery goes on.
    Pending,
    /// The records outlive this process.
    Durable,
    /// The records end with this process.
    Lost,
    /// The outbox could not be queried.
    Unknown,
    /// Requests to Mixpanel have not been answered yet.
    InFlight,
}

impl FlushTimeoutError {
    /// Returns the number of records that were not delivered; 0 if the outbox could not be queried.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Returns whether the records end with this process.
    ///
    /// Records in a file or in Redis are delivered by the next process that drains the outbox.
    pub fn is_lost(&self) -> bool {
        self.fate == Fate::Lost
    }

    /// Returns the last error of a delivery, or of the outbox if it could not be queried. `None` if
    /// nothing failed and only the time was too short.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

impl fmt::Display for FlushTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pending,
            outbox,
            fate,
            last_error,
        } = self;
        let records = if *pending == 1 { "record" } else { "records" };
        match fate {
            Fate::Pending => write!(
                f,
                "{pending} {records} not delivered before the deadline; they are pending in {outbox}"
            ),
            Fate::Durable => write!(
                f,
                "{pending} {records} not delivered before the deadline; they stay in {outbox}, and the next process \
                 that drains it delivers them"
            ),
            Fate::Lost => write!(
                f,
                "{pending} {records} not delivered before the deadline, and lost with {outbox}; `on_error` was \
                 called for each"
            ),
            Fate::Unknown => write!(
                f,
                "the number of pending records is unknown, because {outbox} could not be queried; its records stay there"
            ),
            Fate::InFlight => write!(
                f,
                "requests to Mixpanel were not answered before the deadline"
            ),
        }?;
        match last_error {
            Some(error) => write!(f, "; last error: {error}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_outbox_fate_and_last_error() {
        let error = |pending, fate, last_error: Option<&str>| {
            let outbox = "the file /var/lib/outbox".to_owned();
            FlushTimeoutError {
                pending,
                outbox,
                fate,
                last_error: last_error.map(str::to_owned),
            }
            .to_string()
        };
        for (shown, expected) in [
            (
                error(1, Fate::Pending, None),
                "1 record not delivered before the deadline; they are pending in the file /var/lib/outbox",
            ),
            (
                error(2, Fate::Durable, Some("https://a/import: refused")),
                "2 records not delivered before the deadline; they stay in the file /var/lib/outbox, and the next \
                 process that drains it delivers them; last error: https://a/import: refused",
            ),
        ] {
            assert_eq!(shown, expected);
        }
        assert!(error(2, Fate::Lost, None).contains("lost with the file"));
        assert!(error(0, Fate::Unknown, None).contains("could not be queried"));
    }

    #[test]
    fn error_can_be_boxed_and_sent_between_threads() {
        fn is_error<E: std::error::Error + Send + Sync + 'static>() {}
        is_error::<FlushTimeoutError>();
    }
}

//! Number and size of the pending records.

use std::fmt;

/// Number and size of the pending records, or their maximum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) records: u64,
    /// Size in bytes; that of fallback copies is included.
    pub(crate) bytes: u64,
}

impl Size {
    /// Returns whether the bounds leave room for another record.
    pub(crate) fn has_room(self, bounds: Self, record: &[u8]) -> bool {
        let bytes = self.bytes.saturating_add(record.len() as u64);
        self.records < bounds.records && bytes <= bounds.bytes
    }

    /// Returns why the bounds leave no room for another record; `None` if they do. The reason names
    /// the records that are stored and the addition.
    pub(crate) fn refusal(
        self,
        bounds: Self,
        record: &[u8],
        stored: &str,
        added: fmt::Arguments<'_>,
    ) -> Option<String> {
        if self.has_room(bounds, record) {
            return None;
        }
        let Self { records, bytes } = self;
        Some(if records >= bounds.records {
            format!("{records} {stored} in the file, the limit (`max_records`)")
        } else {
            format!("{bytes} bytes are pending in the file; {added} would exceed `max_bytes`")
        })
    }

    /// Adds a record in the place of one with the length `replaced`.
    pub(crate) fn replace_bytes(&mut self, replaced: Option<u64>, record: &[u8]) {
        let bytes = self.bytes + record.len() as u64;
        self.bytes = bytes.saturating_sub(replaced.unwrap_or_default());
    }
}

//! Number and size of the pending records.

/// Number and size of the pending records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// Returns the length of a record in bytes.
pub(crate) fn byte_len(record: &[u8]) -> u64 {
    u64::try_from(record.len()).unwrap_or(u64::MAX)
}

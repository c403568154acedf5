//! Names with a meaning, found while an object is written.

use crate::call::json::Known;

/// Longest object whose members certainly are within Mixpanel's limits.
const MAX_SHORT: usize = 255;

/// Names of special properties that an object may have. They are found while the object is written,
/// so that most objects need not be read for them. Records have them as a byte: another name in
/// [`Known`] changes the format of records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KnownNames(u8);

impl KnownNames {
    const INSERT_ID: u8 = 1;
    const TIME: u8 = 2;
    const DEVICE_ID: u8 = 4;
    const USER_ID: u8 = 8;
    const DISTINCT_ID: u8 = 16;
    const IDS: u8 = Self::DEVICE_ID | Self::USER_ID | Self::DISTINCT_ID;
    /// Any other name that every event may get without the application.
    const OTHER: u8 = 32;
    /// `$insert_id` and `time` were added to the object.
    const HAS_META: u8 = 64;
    /// Any name is possible, also several times.
    pub(crate) const ALL: Self = Self(u8::MAX);

    /// Restores names from [`to_byte`](Self::to_byte).
    pub(crate) fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// Returns the names as a byte.
    pub(crate) fn to_byte(self) -> u8 {
        self.0
    }

    /// Remembers a name of the object.
    #[inline]
    pub(crate) fn add(&mut self, name: &[u8]) {
        let bit = Self::bit(name);
        self.0 = if self.0 & bit == 0 {
            self.0 | bit
        } else {
            u8::MAX
        };
    }

    /// Returns the names after `$insert_id` and `time` were added, where they were missing.
    pub(crate) fn with_meta(self) -> Self {
        Self(self.0 | Self::HAS_META)
    }

    /// Returns whether the object may have a property that is an ID.
    pub(crate) fn may_have_id(self) -> bool {
        self.0 & Self::IDS != 0
    }

    /// Returns the highest number of properties that are IDs.
    pub(crate) fn max_ids(self) -> usize {
        if self.0 == u8::MAX {
            return usize::MAX;
        }
        (self.0 & Self::IDS).count_ones() as usize
    }

    /// Returns whether an object of this length is an event's properties with a valid `$insert_id`
    /// and `time`, within the limits of Mixpanel apart from its IDs and its depth.
    pub(crate) fn is_plain_event(self, len: usize) -> bool {
        len <= MAX_SHORT && self.0 & !Self::IDS == Self::HAS_META
    }

    pub(crate) fn may_have(self, name: &str) -> bool {
        self.0 & Self::bit(name.as_bytes()) != 0
    }

    fn bit(name: &[u8]) -> u8 {
        match Known::from_name(name) {
            Some(Known::InsertId) => Self::INSERT_ID,
            Some(Known::Time) => Self::TIME,
            Some(Known::DeviceId) => Self::DEVICE_ID,
            Some(Known::UserId) => Self::USER_ID,
            Some(Known::DistinctId) => Self::DISTINCT_ID,
            Some(_) => Self::OTHER,
            None => 0,
        }
    }
}

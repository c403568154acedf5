//! Writer of objects.

use crate::call::json::{JsonRef, Scalar, write_text};

/// Names of special properties that an object may have. A name is found while it is written, so
/// that most objects need not be read for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KnownNames(u8);

impl KnownNames {
    const INSERT_ID: u8 = 1;
    const TIME: u8 = 2;
    const IDS: u8 = 4;
    /// Any name is possible.
    pub(crate) const ALL: Self = Self(u8::MAX);

    /// Remembers a name of the object.
    #[inline]
    pub(crate) fn add(&mut self, name: &[u8]) {
        if matches!(name.first(), Some(b'$' | b't' | b'd')) {
            self.0 |= Self::bit(name);
        }
    }

    /// Returns whether the object may have a property that is an ID.
    pub(crate) fn may_have_id(self) -> bool {
        self.0 & Self::IDS != 0
    }

    fn may_have(self, name: &str) -> bool {
        self.0 & Self::bit(name.as_bytes()) != 0
    }

    fn bit(name: &[u8]) -> u8 {
        match name {
            b"$insert_id" => Self::INSERT_ID,
            b"time" => Self::TIME,
            b"$device_id" | b"$user_id" | b"distinct_id" => Self::IDS,
            _ => 0,
        }
    }
}

/// Writer of one object.
#[derive(Debug)]
pub(crate) struct ObjectWriter {
    start: usize,
    names: KnownNames,
}

impl ObjectWriter {
    /// Starts an object.
    pub(crate) fn begin(to: &mut Vec<u8>) -> Self {
        let start = to.len();
        to.push(b'{');
        Self {
            start,
            names: KnownNames::default(),
        }
    }

    /// Writes the name of a member. The value must follow.
    pub(crate) fn name(&mut self, name: &str, to: &mut Vec<u8>) {
        self.names.add(name.as_bytes());
        write_name(name, to);
    }

    /// Writes the members of a finished object, except those that `is_omitted` selects by name.
    pub(crate) fn spread(
        &mut self,
        object: JsonRef<'_>,
        is_omitted: impl Fn(&[u8]) -> bool,
        to: &mut Vec<u8>,
    ) {
        for (name, value) in object.members().filter(|(name, _)| !is_omitted(name)) {
            self.names.add(name);
            separate(to);
            to.push(b'"');
            to.extend_from_slice(name);
            to.extend_from_slice(b"\":");
            to.extend_from_slice(value.as_bytes());
        }
    }

    /// Finishes the object, and adds members that it does not have yet. Returns its names.
    pub(crate) fn end(self, missing: &[(&str, Scalar<'_>)], to: &mut Vec<u8>) -> KnownNames {
        to.push(b'}');
        add_missing(missing, self.names, self.start, to);
        self.names
    }
}

/// Adds members that the object from `start` to the end does not have. `names` are those of the
/// object; the members must have known names.
pub(crate) fn add_missing(
    members: &[(&str, Scalar<'_>)],
    names: KnownNames,
    start: usize,
    to: &mut Vec<u8>,
) {
    to.pop();
    for (name, value) in members {
        let object = JsonRef::new(to.get(start..).unwrap_or_default());
        if !names.may_have(name) || object.member(name).is_none() {
            write_name(name, to);
            value.write(to);
        }
    }
    to.push(b'}');
}

fn write_name(name: &str, to: &mut Vec<u8>) {
    separate(to);
    write_text(name, to);
    to.push(b':');
}

/// Writes a comma, except before the first member.
fn separate(to: &mut Vec<u8>) {
    if to.last() != Some(&b'{') {
        to.push(b',');
    }
}

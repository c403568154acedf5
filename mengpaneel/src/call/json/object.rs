//! Writer of objects.

use crate::call::json::known_names::KnownNames;
use crate::call::json::{JsonRef, Scalar, write_text};

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

    /// Finishes the object, and adds members that it does not have yet. Returns the names that it
    /// had.
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

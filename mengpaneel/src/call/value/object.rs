//! Encoder of objects: sorts the members by name, and keeps the last member of each name.

use std::cmp::Ordering;
use std::ops::Range;

use crate::call::value::decoder::Decoder;
use crate::call::value::value_ref::ValueRef;
use crate::call::value::{set_len, write_len, write_text};

/// Number of members whose order is known while they are written.
const INDEXED: usize = 12;

/// Encoder of an object. Members may be written in any order; [`end`](Self::end) sorts them by name
/// and keeps the last of each name.
#[derive(Debug, Default)]
pub(crate) struct ObjectEncoder {
    /// Position of the number of members.
    at: usize,
    count: usize,
    /// True if the indexed members were not written in the order of distinct names.
    is_unsorted: bool,
    /// Distance from `at` to the end of each indexed member, in the order of writing.
    ends: [u16; INDEXED],
    /// The indexed members, sorted by name.
    order: [u8; INDEXED],
    /// The first bytes of the names, in sorted order: they decide most comparisons.
    keys: [u64; INDEXED],
}

impl ObjectEncoder {
    /// Starts an object.
    pub(crate) fn begin(to: &mut Vec<u8>) -> Self {
        Self::begin_with(&[], to)
    }

    /// Starts an object with default members. A later member of the same name replaces a default.
    pub(crate) fn begin_with(defaults: &[(&str, ValueRef<'_>)], to: &mut Vec<u8>) -> Self {
        let mut object = Self::default();
        object.open(defaults, to);
        object
    }

    /// Starts an object like [`begin_with`](Self::begin_with), in an encoder that was not used yet.
    pub(crate) fn open(&mut self, defaults: &[(&str, ValueRef<'_>)], to: &mut Vec<u8>) {
        to.extend_from_slice(b"o\0");
        self.at = to.len() - 1;
        for (name, value) in defaults {
            self.member(to, |to| write_text(name, to), |to| value.write(to));
        }
    }

    /// Adds a member.
    pub(crate) fn member(
        &mut self,
        to: &mut Vec<u8>,
        name: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = to.len();
        name(to);
        value(to);
        self.add_written(start, to);
    }

    /// Adds the member that was written from `start` to the end.
    pub(crate) fn add_written(&mut self, start: usize, to: &[u8]) {
        if let (true, Some(end)) = (self.count < INDEXED, self.relative_end(to)) {
            self.ends[self.count] = end;
            self.insert_in_index(name_at(to, start).map_or(0, sort_key), to);
        }
        self.count += 1;
    }

    /// Returns the distance from `at` to the end. `None` if the index cannot hold it.
    fn relative_end(&self, to: &[u8]) -> Option<u16> {
        u16::try_from(to.len() - self.at).ok()
    }

    /// Returns whether the finished object may have a member whose name starts with one of these
    /// prefixes. Compares the sort keys of the index only, so `true` may be wrong.
    pub(crate) fn may_contain<const N: usize>(&self, prefixes: [&[u8; 8]; N], to: &[u8]) -> bool {
        let prefixes = prefixes.map(|prefix| u64::from_be_bytes(*prefix));
        let Some(keys) = self
            .keys
            .get(..self.count)
            .filter(|_| self.relative_end(to).is_some())
        else {
            return true;
        };
        keys.iter().any(|key| prefixes.contains(key))
    }

    /// Inserts the last member in the index.
    fn insert_in_index(&mut self, key: u64, to: &[u8]) {
        let (mut index, last) = (self.count.min(INDEXED - 1), self.count);
        while index > 0 {
            let previous = self.keys[index - 1];
            if previous < key
                || (previous == key
                    && self.is_in_order(usize::from(self.order[index - 1]), last, to))
            {
                break;
            }
            self.is_unsorted = true;
            self.keys[index] = previous;
            self.order[index] = self.order[index - 1];
            index -= 1;
        }
        self.keys[index] = key;
        self.order[index] = u8::try_from(last).unwrap_or_default();
    }

    /// Returns whether an indexed member sorts before the last, whose sort key is equal.
    #[cold]
    fn is_in_order(&mut self, member: usize, last: usize, to: &[u8]) -> bool {
        let order = self.name_of(member, to).cmp(&self.name_of(last, to));
        self.is_unsorted |= order == Ordering::Equal;
        order != Ordering::Greater
    }

    /// Returns the name of an indexed member.
    fn name_of<'t>(&self, member: usize, to: &'t [u8]) -> Option<&'t [u8]> {
        name_at(to, self.start_of(member))
    }

    /// Returns the start of an indexed member.
    fn start_of(&self, member: usize) -> usize {
        member
            .checked_sub(1)
            .map_or(self.at + 1, |previous| self.end_of(previous))
    }

    /// Returns the end of an indexed member.
    fn end_of(&self, member: usize) -> usize {
        self.at + usize::from(self.ends[member])
    }

    /// Finishes the object.
    pub(crate) fn end(&self, to: &mut Vec<u8>) {
        let indexed = self
            .order
            .get(..self.count)
            .filter(|_| self.relative_end(to).is_some());
        let count = match indexed {
            Some(_) if !self.is_unsorted => self.count,
            Some(order) => self.sort_indexed(order, to),
            None => sort_members(self.at + 1, self.count, to).unwrap_or_default(),
        };
        set_len(self.at, count, to);
    }

    /// Replaces the members by the same members in sorted order. Returns the number of distinct
    /// names.
    fn sort_indexed(&self, order: &[u8], to: &mut Vec<u8>) -> usize {
        let (end, mut count) = (to.len(), 0);
        for (index, member) in order.iter().map(|member| usize::from(*member)).enumerate() {
            let has_same_name =
                |next: &u8| self.name_of(usize::from(*next), to) == self.name_of(member, to);
            let is_replaced = self.keys.get(index + 1) == self.keys.get(index)
                && order.get(index + 1).is_some_and(has_same_name);
            if !is_replaced {
                to.extend_from_within(self.start_of(member)..self.end_of(member));
                count += 1;
            }
        }
        move_tail(end, self.at + 1, to);
        count
    }
}

/// Sorts the members from `start` to the end by name, and keeps the last of each name. Returns the
/// number of distinct names. `None` if the encoding is invalid.
fn sort_members(start: usize, count: usize, to: &mut Vec<u8>) -> Option<usize> {
    let end = to.len();
    let mut decoder = Decoder::new(to.get(start..)?);
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        let member_start = end - decoder.remaining();
        decoder.name()?;
        decoder.skip()?;
        members.push(member_start..end - decoder.remaining());
    }
    let name_of = |member: &Range<usize>| name_at(to, member.start);
    if members.is_sorted_by(|a, b| name_of(a) < name_of(b)) {
        return Some(count);
    }
    // The sort is stable: the last member of a name stays the last.
    members.sort_by(|a, b| name_of(a).cmp(&name_of(b)));
    let mut distinct = 0;
    for (index, member) in members.iter().enumerate() {
        let next = members.get(index + 1).map(|next| name_at(to, next.start));
        if next != Some(name_at(to, member.start)) {
            to.extend_from_within(member.clone());
            distinct += 1;
        }
    }
    move_tail(end, start, to);
    Some(distinct)
}

/// Moves the bytes from `tail` on to `start`, and removes those that they overwrite.
fn move_tail(tail: usize, start: usize, to: &mut Vec<u8>) {
    let len = to.len() - tail;
    to.copy_within(tail.., start);
    to.truncate(start + len);
}

/// Returns the first bytes of a name as a number that sorts like the name.
fn sort_key(name: &[u8]) -> u64 {
    if let Some(first) = name.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        // In up to seven bytes, the last four overlap the first four.
        let (first, last) = (
            u64::from(u32::from_be_bytes(*first)),
            u64::from(u32::from_be_bytes(*last)),
        );
        return first << 32 | last << (64 - 8 * name.len());
    }
    name.iter()
        .rev()
        .fold(0, |key, byte| key >> 8 | u64::from(*byte) << 56)
}

/// Returns the name of the member that starts at `start`.
fn name_at(to: &[u8], start: usize) -> Option<&[u8]> {
    Decoder::new(to.get(start..)?).name()
}

/// Compares two names. The first byte decides most comparisons.
fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    a.first().cmp(&b.first()).then_with(|| a.cmp(b))
}

/// Inserts members that the object at `at` does not have yet. `members` must be sorted by name.
/// `None` if there is no object at `at`.
pub(crate) fn insert_defaults<const N: usize>(
    members: &[(&str, ValueRef<'_>); N],
    at: usize,
    to: &mut Vec<u8>,
) -> Option<()> {
    let end = to.len();
    let mut decoder = Decoder::new(to.get(at..)?);
    if decoder.byte()? != b'o' {
        return None;
    }
    let len_start = end - decoder.remaining();
    let (mut count, members_start) = (decoder.len()?, end - decoder.remaining());
    // Position at which each member is inserted. `None` if the object has it.
    let mut positions = [None; N];
    let mut wanted = members.iter().zip(&mut positions).peekable();
    for _ in 0..count {
        let start = end - decoder.remaining();
        let name = decoder.name()?;
        while let Some(((wanted_name, _), _)) = wanted.peek() {
            let order = compare_names(wanted_name.as_bytes(), name);
            if order == Ordering::Greater {
                break;
            }
            let position = wanted.next().map(|(_, position)| position);
            if let (Ordering::Less, Some(position)) = (order, position) {
                *position = Some(start);
            }
        }
        decoder.skip()?;
    }
    let members_end = end - decoder.remaining();
    for (_, position) in wanted {
        *position = Some(members_end);
    }
    // The new members are written at the end, with copies of the bytes between and after them.
    let mut copied: Option<usize> = None;
    for ((name, value), position) in members.iter().zip(positions) {
        let Some(position) = position else { continue };
        to.extend_from_within(copied.unwrap_or(position)..position);
        copied = Some(position);
        write_text(name, to);
        value.write(to);
        count += 1;
    }
    let Some(start) = positions.into_iter().flatten().next() else {
        return Some(());
    };
    to.extend_from_within(copied.unwrap_or(start)..end);
    move_tail(end, start, to);
    let has_short_len = members_start == len_start + 1 && count <= 0x7f;
    if let (true, [low, ..]) = (has_short_len, count.to_le_bytes()) {
        *to.get_mut(len_start)? = low;
    } else {
        let mut encoded = Vec::new();
        write_len(count, &mut encoded);
        to.splice(len_start..members_start, encoded);
    }
    Some(())
}

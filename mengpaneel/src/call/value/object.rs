//! Objects while they are written.

use std::cmp::Ordering;
use std::ops::Range;

use crate::call::value::read::Decoder;
use crate::call::value::seen::ValueRef;
use crate::call::value::{set_len, write_len, write_text};

/// Of so many members the order is known while they are written.
const INDEXED: usize = 12;

/// An object that is being written: once it is, its members stand in the order of their names, and
/// of one name the last.
#[derive(Debug, Default)]
pub(crate) struct ObjectEncoder {
    /// Where the number of its members stands.
    at: usize,
    count: usize,
    /// The first few were not written in the order of their names, each another.
    is_mixed: bool,
    /// How far behind the number each of the first few ends, as they were written.
    ends: [u16; INDEXED],
    /// The same few in the order of their names.
    order: [u8; INDEXED],
    /// The begins of those names in that order: they mostly tell.
    keys: [u64; INDEXED],
}

impl ObjectEncoder {
    /// Begins one.
    pub(crate) fn begin(to: &mut Vec<u8>) -> Self {
        Self::begin_with(&[], to)
    }

    /// Begins one with these members, in the place of which the same names may come again.
    pub(crate) fn begin_with(first: &[(&str, ValueRef<'_>)], to: &mut Vec<u8>) -> Self {
        let mut object = Self::default();
        object.open(first, to);
        object
    }

    /// The same in its place, where nothing was begun yet.
    pub(crate) fn open(&mut self, first: &[(&str, ValueRef<'_>)], to: &mut Vec<u8>) {
        to.extend_from_slice(b"o\0");
        self.at = to.len() - 1;
        for (name, value) in first {
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
        let begin = to.len();
        name(to);
        value(to);
        self.put(begin, to);
    }

    /// A member was written behind the others, from there on.
    pub(crate) fn put(&mut self, begin: usize, to: &[u8]) {
        if let (true, Some(end)) = (self.count < INDEXED, self.end_in(to)) {
            self.ends[self.count] = end;
            self.find_index(name(to, begin).map_or(0, key), to);
        }
        self.count += 1;
    }

    /// How far behind the number what is written ends, if that is not too far for the few.
    fn end_in(&self, to: &[u8]) -> Option<u16> {
        u16::try_from(to.len() - self.at).ok()
    }

    /// Returns whether it may have a member whose name begins with one of these eight bytes, once
    /// it is written. Looks only at what the few were put in order by.
    pub(crate) fn may_contain<const N: usize>(&self, begins: [&[u8; 8]; N], to: &[u8]) -> bool {
        let begins = begins.map(|begin| u64::from_be_bytes(*begin));
        let Some(keys) = self
            .keys
            .get(..self.count)
            .filter(|_| self.end_in(to).is_some())
        else {
            return true;
        };
        keys.iter().any(|key| begins.contains(key))
    }

    /// Puts the last in its place among the few.
    fn find_index(&mut self, key: u64, to: &[u8]) {
        let (mut place, last) = (self.count.min(INDEXED - 1), self.count);
        while place > 0 {
            let before = self.keys[place - 1];
            if before < key
                || (before == key && self.is_in_order(usize::from(self.order[place - 1]), last, to))
            {
                break;
            }
            self.is_mixed = true;
            self.keys[place] = before;
            self.order[place] = self.order[place - 1];
            place -= 1;
        }
        self.keys[place] = key;
        self.order[place] = u8::try_from(last).unwrap_or_default();
    }

    /// Whether one of the few may stand before the last, whose name begins with the same bytes.
    #[cold]
    fn is_in_order(&mut self, before: usize, last: usize, to: &[u8]) -> bool {
        let order = self.name_of(before, to).cmp(&self.name_of(last, to));
        self.is_mixed |= order == Ordering::Equal;
        order != Ordering::Greater
    }

    /// The name of one of the few.
    fn name_of<'t>(&self, one: usize, to: &'t [u8]) -> Option<&'t [u8]> {
        name(to, self.begin_of(one))
    }

    /// Where one of the few begins.
    fn begin_of(&self, one: usize) -> usize {
        one.checked_sub(1)
            .map_or(self.at + 1, |before| self.end_of(before))
    }

    /// Where it ends.
    fn end_of(&self, one: usize) -> usize {
        self.at + usize::from(self.ends[one])
    }

    /// All members are there.
    pub(crate) fn end(&self, to: &mut Vec<u8>) {
        let few = self
            .order
            .get(..self.count)
            .filter(|_| self.end_in(to).is_some());
        let count = match few {
            Some(_) if !self.is_mixed => self.count,
            Some(order) => self.sort_members(order, to),
            None => put_in_order(self.at + 1, self.count, to).unwrap_or_default(),
        };
        set_len(self.at, count, to);
    }

    /// Writes the few in their order, in the place of those that were written. Tells how many are
    /// left.
    fn sort_members(&self, order: &[u8], to: &mut Vec<u8>) -> usize {
        let (end, mut count) = (to.len(), 0);
        for (place, one) in order.iter().map(|one| usize::from(*one)).enumerate() {
            let is_next = |next: &u8| self.name_of(usize::from(*next), to) == self.name_of(one, to);
            let is_followed = self.keys.get(place + 1) == self.keys.get(place)
                && order.get(place + 1).is_some_and(is_next);
            if !is_followed {
                to.extend_from_within(self.begin_of(one)..self.end_of(one));
                count += 1;
            }
        }
        drop_before(end, self.at + 1, to);
        count
    }
}

/// Puts members in the order of their names that stand from there to the end, of one name the last,
/// and tells how many are left.
fn put_in_order(start: usize, count: usize, to: &mut Vec<u8>) -> Option<usize> {
    let end = to.len();
    let mut reader = Decoder::new(to.get(start..)?);
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = end - reader.remaining();
        reader.name()?;
        reader.skip()?;
        members.push(begin..end - reader.remaining());
    }
    let own = |member: &Range<usize>| name(to, member.start);
    if members.is_sorted_by(|a, b| own(a) < own(b)) {
        return Some(count);
    }
    // A stable sort keeps the last of one name behind the others.
    members.sort_by(|a, b| own(a).cmp(&own(b)));
    let mut left = 0;
    for (place, member) in members.iter().enumerate() {
        let next = members.get(place + 1).map(|next| name(to, next.start));
        if next != Some(name(to, member.start)) {
            to.extend_from_within(member.clone());
            left += 1;
        }
    }
    drop_before(end, start, to);
    Some(left)
}

/// What was written from `end` on takes the place of what stands from `start` on.
fn drop_before(end: usize, start: usize, to: &mut Vec<u8>) {
    let added = to.len() - end;
    to.copy_within(end.., start);
    to.truncate(start + added);
}

/// The first bytes of a name, in whose order names are.
fn key(name: &[u8]) -> u64 {
    if let Some(first) = name.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        // Of up to seven, the last four overlap the first.
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

/// The name of the member that begins there.
fn name(to: &[u8], begin: usize) -> Option<&[u8]> {
    Decoder::new(to.get(begin..)?).name()
}

/// The order of two names. Mostly the first byte tells.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.first().cmp(&b.first()).then_with(|| a.cmp(b))
}

/// Adds members to the object that stands at `at` among what is written, whose names it does not
/// have. They are to be in the order of their names. `None` where no object stands there.
pub(crate) fn insert_defaults<const N: usize>(
    members: &[(&str, ValueRef<'_>); N],
    at: usize,
    to: &mut Vec<u8>,
) -> Option<()> {
    let end = to.len();
    let mut reader = Decoder::new(to.get(at..)?);
    if reader.byte()? != b'o' {
        return None;
    }
    let begin = end - reader.remaining();
    let (mut count, first) = (reader.len()?, end - reader.remaining());
    // Before which member each goes, if it goes anywhere.
    let mut places = [None; N];
    let mut wanted = members.iter().zip(&mut places).peekable();
    for _ in 0..count {
        let before = end - reader.remaining();
        let name = reader.name()?;
        while let Some(((wanted_name, _), _)) = wanted.peek() {
            let order = order(wanted_name.as_bytes(), name);
            if order == Ordering::Greater {
                break;
            }
            let place = wanted.next().map(|(_, place)| place);
            if let (Ordering::Less, Some(place)) = (order, place) {
                *place = Some(before);
            }
        }
        reader.skip()?;
    }
    let behind = end - reader.remaining();
    for (_, place) in wanted {
        *place = Some(behind);
    }
    // They are written anew behind the rest, with what stands between and behind them.
    let mut copied: Option<usize> = None;
    for ((name, value), place) in members.iter().zip(places) {
        let Some(place) = place else { continue };
        to.extend_from_within(copied.unwrap_or(place)..place);
        copied = Some(place);
        write_text(name, to);
        value.write(to);
        count += 1;
    }
    let Some(start) = places.into_iter().flatten().next() else {
        return Some(());
    };
    to.extend_from_within(copied.unwrap_or(start)..end);
    drop_before(end, start, to);
    if let (true, [low, ..]) = (first == begin + 1 && count <= 0x7f, count.to_le_bytes()) {
        *to.get_mut(begin)? = low;
    } else {
        let mut written = Vec::new();
        write_len(count, &mut written);
        to.splice(begin..first, written);
    }
    Some(())
}

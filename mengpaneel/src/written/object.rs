//! Objects while they are written.

use std::cmp::Ordering;

use super::read::Reader;
use super::seen::Seen;
use super::{set_len, write_len, write_text};

/// With more members, a new one is put in its place at the end, with all others.
const FEW: usize = 32;

/// An object that is being written: its members stand in the order of their names, and of one name
/// the last.
#[derive(Debug)]
pub struct Object {
    /// Where the number of its members stands.
    at: usize,
    count: usize,
    /// Where the last begins.
    last: usize,
    in_order: bool,
}

impl Object {
    /// Begins one.
    pub fn begin(to: &mut Vec<u8>) -> Self {
        to.extend_from_slice(b"o\0");
        Self { at: to.len() - 1, count: 0, last: 0, in_order: true }
    }

    /// Adds a member.
    pub fn member(&mut self, to: &mut Vec<u8>, name: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        let begin = to.len();
        name(to);
        value(to);
        self.put(begin, to);
    }

    /// A member was written behind the others, from there on.
    pub fn put(&mut self, begin: usize, to: &mut Vec<u8>) {
        self.count += 1;
        if !self.in_order {
            return;
        }
        let is_next = || Some(order(name(to, self.last)?, name(to, begin)?) == Ordering::Less);
        if self.count == 1 || is_next() == Some(true) {
            self.last = begin;
        } else if self.count > FEW || self.place(begin, to).is_none() {
            self.in_order = false;
        }
    }

    /// Puts the last member where it belongs among few others.
    fn place(&mut self, begin: usize, to: &mut Vec<u8>) -> Option<()> {
        let len = to.len();
        let mut reader = Reader::of(to.get(self.at + 1..)?);
        let own = name(to, begin)?;
        let (place, passed) = loop {
            let place = len - reader.left();
            let order = order(reader.name()?, own);
            if order == Ordering::Greater {
                break (place, place);
            }
            reader.skip()?;
            if order == Ordering::Equal {
                break (place, len - reader.left());
            }
        };
        let added = len - begin;
        to.get_mut(place..)?.rotate_right(added);
        let replaced = passed - place;
        if replaced > 0 {
            to.drain(place + added..place + added + replaced);
            self.count -= 1;
        }
        self.last = if passed == begin { place } else { self.last + added - replaced };
        Some(())
    }

    /// All members are there.
    pub fn end(self, to: &mut Vec<u8>) {
        let mut count = self.count;
        if !self.in_order {
            let all = to.split_off(self.at + 1);
            count = members(&all, count).map_or(0, |members| write_in_order(&all, members, to));
        }
        set_len(self.at, count, to);
    }
}

/// Where the members begin and end of which all that is written consists.
fn members(all: &[u8], count: usize) -> Option<Vec<(usize, usize)>> {
    let mut reader = Reader::of(all);
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        let begin = all.len() - reader.left();
        reader.name()?;
        reader.skip()?;
        members.push((begin, all.len() - reader.left()));
    }
    Some(members)
}

/// Writes members in the order of their names, of one name the last, and tells how many.
fn write_in_order(all: &[u8], mut members: Vec<(usize, usize)>, to: &mut Vec<u8>) -> usize {
    let name = |member: (usize, usize)| name(all, member.0).unwrap_or_default();
    // A stable sort keeps the last of one name behind the others.
    members.sort_by(|a, b| order(name(*a), name(*b)));
    let mut count = 0;
    for (index, (begin, end)) in members.iter().enumerate() {
        let (own, next) = (name((*begin, *end)), members.get(index + 1).map(|next| name(*next)));
        if next != Some(own) {
            to.extend_from_slice(all.get(*begin..*end).unwrap_or_default());
            count += 1;
        }
    }
    count
}

/// The name of the member that begins there.
fn name(to: &[u8], begin: usize) -> Option<&[u8]> {
    Reader::of(to.get(begin..)?).name()
}

/// The order of two names. Mostly the first byte tells.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.first().cmp(&b.first()).then_with(|| a.cmp(b))
}

/// Adds members to the object that stands at `at` among what is written, whose names it does not have.
/// They are to be in the order of their names. `None` where no object stands there.
pub fn add_missing<const N: usize>(members: &[(&str, Seen<'_>); N], at: usize, to: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::of(to.get(at..)?);
    if reader.byte()? != b'o' {
        return None;
    }
    let begin = to.len() - reader.left();
    let (mut count, first) = (reader.len()?, to.len() - reader.left());
    // Before which member each goes, if it goes anywhere.
    let mut places = [None; N];
    let mut wanted = members.iter().zip(&mut places).peekable();
    for _ in 0..count {
        let before = to.len() - reader.left();
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
    let end = to.len() - reader.left();
    for (_, place) in wanted {
        *place = Some(end);
    }
    // From the last on, so that the places before it stand.
    for ((name, value), place) in members.iter().zip(places).rev() {
        let Some(place) = place else { continue };
        let len = to.len();
        write_text(name, to);
        value.write(to);
        let added = to.len() - len;
        to.get_mut(place..)?.rotate_right(added);
        count += 1;
    }
    if let (true, [low, ..]) = (first == begin + 1 && count <= 0x7f, count.to_le_bytes()) {
        *to.get_mut(begin)? = low;
    } else {
        let mut written = Vec::new();
        write_len(count, &mut written);
        to.splice(begin..first, written);
    }
    Some(())
}

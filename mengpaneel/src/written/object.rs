//! Objects while they are written.

use std::cmp::Ordering;

use super::read::Reader;
use super::set_len;

/// With more members, a new one is put in its place at the end, with all others.
const FEW: usize = 32;

/// An object that is being written: its members stand in the order of their names, and of one name
/// the last.
#[derive(Debug)]
pub struct Object {
    /// Where the number of its members stands.
    at: usize,
    count: usize,
    /// Where the member begins whose name is the greatest, while they are in order.
    last: Option<usize>,
    in_order: bool,
}

impl Object {
    /// Begins one.
    pub fn begin(to: &mut Vec<u8>) -> Self {
        to.push(b'o');
        to.push(0);
        Self { at: to.len() - 1, count: 0, last: None, in_order: true }
    }

    /// Opens the one whose tag stands there, alone or at the end of what is written: gives it, and
    /// whatever is added before [`end`](Self::end) belongs to it.
    pub fn open(at: usize, to: &mut Vec<u8>) -> Option<Self> {
        let mut reader = Reader::of(to.get(at + 1..)?);
        let before = reader;
        let count = reader.len()?;
        let width = before.left() - reader.left();
        // The number is written again at the end, where one byte is left for it.
        to.splice(at + 1..at + 1 + width, [0]);
        let mut object = Self { at: at + 1, count, last: None, in_order: true };
        let mut reader = Reader::of(to.get(at + 2..)?);
        for _ in 0..count {
            object.last = Some(to.len() - reader.left());
            reader.text()?;
            reader.pass()?;
        }
        Some(object)
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
        match self.last {
            Some(last) if name(to, last) >= name(to, begin) => {}
            _ => {
                self.last = Some(begin);
                return;
            }
        }
        if self.count > FEW || self.place(begin, to).is_none() {
            self.in_order = false;
        }
    }

    /// Puts the last member where it belongs among few others.
    fn place(&mut self, begin: usize, to: &mut Vec<u8>) -> Option<()> {
        let len = to.len();
        let mut reader = Reader::of(to.get(self.at + 1..)?);
        let own = Reader::of(to.get(begin..)?).text()?;
        let (place, passed) = loop {
            let place = len - reader.left();
            let order = reader.text()?.cmp(own);
            reader.pass()?;
            match order {
                Ordering::Less => {}
                Ordering::Equal => break (place, len - reader.left()),
                Ordering::Greater => break (place, place),
            }
        };
        // What is replaced goes to the end, and away.
        let replaced = passed - place;
        let is_last = passed == begin && replaced > 0;
        to.get_mut(place..)?.rotate_left(begin - place);
        if replaced > 0 {
            let own = len - begin;
            to.drain(place + own..place + own + replaced);
            self.count -= 1;
        }
        self.last = match self.last {
            _ if is_last => Some(place),
            Some(last) if replaced > 0 && last > place => Some(last + (len - begin) - replaced),
            Some(last) => Some(last + (len - begin)),
            None => None,
        };
        Some(())
    }

    /// All members are there.
    pub fn end(self, to: &mut Vec<u8>) {
        let count = if self.in_order { Some(self.count) } else { self.sort(to) };
        set_len(self.at, count.unwrap_or_default(), to);
    }

    /// Puts all in order, and gives how many are left.
    fn sort(&self, to: &mut Vec<u8>) -> Option<usize> {
        let all = to.split_off(self.at + 1);
        let mut reader = Reader::of(&all);
        let mut members = Vec::with_capacity(self.count);
        for _ in 0..self.count {
            let begin = all.len() - reader.left();
            let name = reader.text()?;
            reader.pass()?;
            members.push((name, begin..all.len() - reader.left()));
        }
        // Of one name, the last: a stable sort keeps it behind the others.
        members.sort_by_key(|(name, _)| *name);
        let mut count = 0;
        for (index, (name, member)) in members.iter().enumerate() {
            if members.get(index + 1).is_none_or(|(next, _)| next != name) {
                to.extend_from_slice(all.get(member.clone())?);
                count += 1;
            }
        }
        Some(count)
    }
}

/// The name of the member that begins there.
fn name(to: &[u8], begin: usize) -> Option<&str> {
    Reader::of(to.get(begin..)?).text()
}

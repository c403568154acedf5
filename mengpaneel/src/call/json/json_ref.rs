//! Borrowed JSON value, read without being parsed.

#![expect(
    clippy::inline_always,
    reason = "without it, the result is copied through memory at the call"
)]

use std::borrow::Cow;

use serde_json::Value;

use crate::call::json::scan::{find, marks_at_end, marks_in_compound, marks_in_string};

/// Text of one JSON value, as this library writes it: compact and in UTF-8. Other text is read
/// wrongly, but never panics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsonRef<'a>(&'a [u8]);

impl<'a> JsonRef<'a> {
    /// Borrows the text of a value.
    pub(crate) fn new(json: &'a [u8]) -> Self {
        Self(json)
    }

    /// Returns the text of the value.
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Returns the first byte, which tells the type of the value.
    pub(crate) fn first(self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Returns whether the value is a number.
    pub(crate) fn is_number(self) -> bool {
        matches!(self.first(), b'-' | b'0'..=b'9')
    }

    /// Returns the string. `None` if the value is no string.
    pub(crate) fn as_text(self) -> Option<Cow<'a, str>> {
        self.string().map(unescape)
    }

    /// Returns a string between its quotes.
    #[inline]
    pub(crate) fn string(self) -> Option<&'a [u8]> {
        match self.0 {
            [b'"', string @ .., b'"'] => Some(string),
            _ => None,
        }
    }

    /// Returns the number. `None` if the value is not an unsigned integer.
    pub(crate) fn as_u64(self) -> Option<u64> {
        std::str::from_utf8(self.0).ok()?.parse().ok()
    }

    /// Parses the value.
    pub(crate) fn to_value(self) -> Option<Value> {
        serde_json::from_slice(self.0).ok()
    }

    /// Returns the members of an object. There are none if the value is no object.
    #[inline]
    pub(crate) fn members(self) -> Members<'a> {
        let at = if self.first() == b'{' {
            1
        } else {
            self.0.len()
        };
        Members { json: self.0, at }
    }

    /// Returns the items of a list. There are none if the value is no list.
    #[inline]
    pub(crate) fn items(self) -> Items<'a> {
        let is_empty = self.first() != b'[' || self.0 == b"[]";
        let at = if is_empty { self.0.len() } else { 1 };
        Items { json: self.0, at }
    }

    /// Returns the member of a name; the last, if there are several.
    pub(crate) fn member(self, name: &str) -> Option<JsonRef<'a>> {
        let named = self.members().filter(|(key, _)| is_name(key, name));
        named.map(|(_, value)| value).last()
    }
}

/// Returns the text of a string between its quotes, which is UTF-8 if the string is.
#[inline]
pub(crate) fn unescape_bytes(string: &[u8]) -> Cow<'_, [u8]> {
    if !has_escape(string) {
        return Cow::Borrowed(string);
    }
    Cow::Owned(unescape(string).into_owned().into_bytes())
}

/// Returns the text of a string between its quotes.
pub(crate) fn unescape(string: &[u8]) -> Cow<'_, str> {
    if !has_escape(string) {
        return match std::str::from_utf8(string) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(string),
        };
    }
    let json = [b"\"", string, b"\""].concat();
    Cow::Owned(serde_json::from_slice(&json).unwrap_or_default())
}

/// Returns whether a string between its quotes has this text.
pub(crate) fn is_name(string: &[u8], name: &str) -> bool {
    if string == name.as_bytes() {
        return !has_escape(string);
    }
    string.len() > name.len() && has_escape(string) && unescape(string) == name
}

fn has_escape(string: &[u8]) -> bool {
    memchr::memchr(b'\\', string).is_some()
}

/// Iterator over the members of an object: the name between its quotes, and the value.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    json: &'a [u8],
    at: usize,
}

impl Members<'_> {
    /// Returns the position in the object: that of the next member, or behind the object.
    #[inline]
    pub(crate) fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], JsonRef<'a>);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.json.get(self.at) != Some(&b'"') {
            return None;
        }
        let colon = string_end(self.json, self.at + 1);
        let name = self.json.get(self.at + 1..colon - 1)?;
        let end = value_end(self.json, colon + 1);
        let value = self.json.get(colon + 1..end)?;
        self.at = end + 1;
        Some((name, JsonRef(value)))
    }
}

/// Iterator over the items of a list.
#[derive(Debug)]
pub(crate) struct Items<'a> {
    json: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    /// Returns the last item if all others were read. It needs no search for its end.
    #[inline]
    pub(crate) fn last_item(&self) -> Option<JsonRef<'a>> {
        let end = self.json.len().checked_sub(1)?;
        self.json.get(self.at..end).map(JsonRef)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = JsonRef<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.json.len() {
            return None;
        }
        let end = value_end(self.json, self.at);
        let item = self.json.get(self.at..end)?;
        self.at = end + 1;
        Some(JsonRef(item))
    }
}

/// Returns the end of the value at `at`.
#[inline(always)]
fn value_end(json: &[u8], at: usize) -> usize {
    match json.get(at) {
        Some(b'"') => string_end(json, at + 1),
        Some(b'{' | b'[') => compound_end(json, at),
        _ => find(json, at, marks_at_end),
    }
}

/// Returns the position after the closing quote of a string whose content starts at `at`.
#[inline(always)]
fn string_end(json: &[u8], mut at: usize) -> usize {
    loop {
        at = find(json, at, marks_in_string);
        match json.get(at) {
            Some(b'\\') => at += 2,
            _ => return (at + 1).min(json.len().max(1)),
        }
    }
}

/// Returns the position after a list or an object that starts at `at`.
fn compound_end(json: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    loop {
        at = find(json, at, marks_in_compound);
        match json.get(at) {
            Some(b'"') => at = string_end(json, at + 1),
            Some(byte) => {
                at += 1;
                match byte {
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth <= 1 => return at,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
            }
            None => return at,
        }
    }
}

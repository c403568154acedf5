//! Compact parcels: how they wait. One text is a fifth of what the same takes as values, what the
//! request's thread allocated it frees itself, and what is plain is read from it without being taken
//! apart.

use serde_json::{Map, Number, Value};
use uuid::Uuid;

use crate::call::{Call, Calls, Method};
use crate::parcel::Parcel;
use crate::visitor::Visitor;

/// In place of a method's number, where it has none: its path follows.
const OTHER: u8 = u8::MAX;

/// Methods that have a number. It stands in files that other versions read: what comes is added at
/// the end.
const NUMBERED: [Method; 12] = [
    Method::Track,
    Method::Identify,
    Method::PeopleSet,
    Method::Register,
    Method::Alias,
    Method::TrackPageview,
    Method::PeopleIncrement,
    Method::PeopleAppend,
    Method::PeopleSetOnce,
    Method::SetGroup,
    Method::Reset,
    Method::TimeEvent,
];

/// Appends a parcel to what is written.
pub fn write(parcel: &Parcel, to: &mut Vec<u8>) {
    let Parcel { id, visitor, context, calls, via_server } = parcel;
    let Visitor { cookie, ip, user_agent, url, referrer, has_session } = visitor;
    let Calls { before_setup, setup, tracking } = calls;
    to.extend_from_slice(id.as_bytes());
    to.push(u8::from(*via_server) | u8::from(*has_session) << 1);
    for text in [cookie, ip, user_agent, url, referrer] {
        match text {
            // Nothing is told from an empty text.
            Some(text) => write_len(text.len() + 1, to),
            None => write_len(0, to),
        }
        to.extend_from_slice(text.as_deref().unwrap_or_default().as_bytes());
    }
    for calls in [context, before_setup, setup, tracking] {
        write_len(calls.len(), to);
        for call in calls {
            write_call(call, to);
        }
    }
}

fn write_call(call: &Call, to: &mut Vec<u8>) {
    let known = NUMBERED.iter().position(|method| method == call.method());
    if let Some(number) = known.and_then(|number| u8::try_from(number).ok()).filter(|number| *number < OTHER) {
        to.push(number);
    } else {
        to.push(OTHER);
        let path = call.method().path();
        write_len(path.len(), to);
        for name in path {
            write_text(name, to);
        }
    }
    write_len(call.args().len(), to);
    for value in call.args() {
        write_value(value, to);
    }
}

fn write_value(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(b'0'),
        Value::Bool(false) => to.push(b'f'),
        Value::Bool(true) => to.push(b't'),
        Value::Number(number) => write_number(number, to),
        Value::String(text) => {
            to.push(b's');
            write_text(text, to);
        }
        Value::Array(items) => {
            to.push(b'a');
            write_len(items.len(), to);
            for item in items {
                write_value(item, to);
            }
        }
        Value::Object(entries) => {
            to.push(b'o');
            write_len(entries.len(), to);
            for (key, value) in entries {
                write_text(key, to);
                write_value(value, to);
            }
        }
    }
}

fn write_number(number: &Number, to: &mut Vec<u8>) {
    if let Some(natural) = number.as_u64() {
        to.push(b'u');
        to.extend_from_slice(&natural.to_le_bytes());
    } else if let Some(integer) = number.as_i64() {
        to.push(b'i');
        to.extend_from_slice(&integer.to_le_bytes());
    } else if let Some(float) = number.as_f64().filter(|float| Number::from_f64(*float).as_ref() == Some(number)) {
        to.push(b'd');
        to.extend_from_slice(&float.to_le_bytes());
    } else {
        // With a feature of serde_json's, numbers may have more digits than that.
        to.push(b'n');
        write_text(&number.to_string(), to);
    }
}

fn write_text(text: &str, to: &mut Vec<u8>) {
    write_len(text.len(), to);
    to.extend_from_slice(text.as_bytes());
}

/// Seven bits in each byte; all but the last have the eighth too.
fn write_len(mut len: usize, to: &mut Vec<u8>) {
    loop {
        let [low, ..] = len.to_le_bytes();
        if len <= 0x7f {
            return to.push(low);
        }
        to.push(low | 0x80);
        len >>= 7;
    }
}

/// What a request says of who is there, as it is seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Visit<'a> {
    pub cookie: Option<&'a str>,
    pub ip: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    pub url: Option<&'a str>,
    pub referrer: Option<&'a str>,
    pub has_session: bool,
    pub via_server: bool,
}

impl<'a> Visit<'a> {
    /// Of a parcel that was taken apart.
    pub fn of(parcel: &'a Parcel) -> Self {
        let visitor = &parcel.visitor;
        Self {
            cookie: visitor.cookie.as_deref(),
            ip: visitor.ip.as_deref(),
            user_agent: visitor.user_agent.as_deref(),
            url: visitor.url.as_deref(),
            referrer: visitor.referrer.as_deref(),
            has_session: visitor.has_session,
            via_server: parcel.via_server,
        }
    }

    /// As [`Visitor::is_machine`].
    pub fn is_machine(&self) -> bool {
        self.cookie.is_none() && !self.has_session
    }

    fn to_visitor(self) -> Visitor {
        let Self { cookie, ip, user_agent, url, referrer, has_session, .. } = self;
        Visitor {
            cookie: cookie.map(str::to_owned),
            ip: ip.map(str::to_owned),
            user_agent: user_agent.map(str::to_owned),
            url: url.map(str::to_owned),
            referrer: referrer.map(str::to_owned),
            has_session,
        }
    }
}

/// A value as it is seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// `null`
    Null,
    /// A truth.
    Bool(bool),
    /// A number.
    Natural(u64),
    /// A number below zero.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(&'a str),
    /// Any other, where it is at hand.
    Value(&'a Value),
}

impl<'a> From<&'a Value> for Seen<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            value => Self::Value(value),
        }
    }
}

impl<'a> Seen<'a> {
    /// The text, where it is one.
    pub fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is a number.
    pub fn is_number(self) -> bool {
        match self {
            Self::Natural(_) | Self::Integer(_) | Self::Float(_) => true,
            Self::Value(value) => value.is_number(),
            _ => false,
        }
    }
}

/// The name of the parcel that was written.
pub fn id(written: &[u8]) -> Option<Uuid> {
    written.first_chunk().copied().map(Uuid::from_bytes)
}

/// What was written, from its begin: name and visit, then calls.
pub fn begin(written: &[u8]) -> Option<(Uuid, Visit<'_>, Reader<'_>)> {
    let mut reader = Reader(written);
    let id = Uuid::from_bytes(reader.bytes()?);
    let flags = reader.byte()?;
    let visit = Visit {
        cookie: reader.optional_text()?,
        ip: reader.optional_text()?,
        user_agent: reader.optional_text()?,
        url: reader.optional_text()?,
        referrer: reader.optional_text()?,
        has_session: flags & 2 != 0,
        via_server: flags & 1 != 0,
    };
    Some((id, visit, reader))
}

/// Whether it is a parcel that was written, and nothing else.
#[cfg(any(test, feature = "file", feature = "redis"))]
pub fn is_whole(written: &[u8]) -> bool {
    let whole = || {
        let (_, _, mut reader) = begin(written)?;
        for _ in 0..4 {
            reader.each(Reader::skip_call)?;
        }
        reader.0.is_empty().then_some(())
    };
    whole().is_some()
}

/// The parcel that was written. `None` only where something else was.
pub fn read(written: &[u8]) -> Option<Parcel> {
    let (id, visit, mut reader) = begin(written)?;
    let context = reader.many(Reader::call)?;
    let calls = Calls {
        before_setup: reader.many(Reader::call)?,
        setup: reader.many(Reader::call)?,
        tracking: reader.many(Reader::call)?,
    };
    Some(Parcel { id, visitor: visit.to_visitor(), context, calls, via_server: visit.via_server })
}

/// What is left to be read: the calls of the context, of each mode, each behind their number.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// How many follow.
    pub fn len(&mut self) -> Option<usize> {
        let (mut len, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            len |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(len);
            }
            shift += 7;
        }
    }

    fn take(&mut self, len: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let len = self.len()?;
        self.take(len)
    }

    #[expect(clippy::option_option, reason = "there may be none, or nothing that can be read")]
    fn optional_text(&mut self) -> Option<Option<&'a str>> {
        match self.len()?.checked_sub(1) {
            Some(len) => Some(Some(self.take(len)?)),
            None => Some(None),
        }
    }

    /// The method of the call that follows, if it is a common one; then the number of its arguments.
    pub fn seen_method(&mut self) -> Option<&'static Method> {
        static COMMON: [Method; 12] = NUMBERED;
        COMMON.get(usize::from(self.byte()?))
    }

    /// The value that follows, if it holds no others.
    pub fn seen(&mut self) -> Option<Seen<'a>> {
        Some(match self.byte()? {
            b'0' => Seen::Null,
            b'f' => Seen::Bool(false),
            b't' => Seen::Bool(true),
            b'u' => Seen::Natural(u64::from_le_bytes(self.bytes()?)),
            b'i' => Seen::Integer(i64::from_le_bytes(self.bytes()?)),
            b'd' => Seen::Float(f64::from_le_bytes(self.bytes()?)),
            b's' => Seen::Text(self.text()?),
            _ => return None,
        })
    }

    /// The members of the object that follows, if it is one and they hold no others.
    pub fn seen_members(&mut self) -> Option<Vec<(&'a str, Seen<'a>)>> {
        if self.byte()? != b'o' {
            return None;
        }
        self.many(|reader| Some((reader.text()?, reader.seen()?)))
    }

    fn many<T>(&mut self, one: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.len()?;
        // What is no parcel may say that any number follows.
        let mut all = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            all.push(one(self)?);
        }
        Some(all)
    }

    #[cfg(any(test, feature = "file", feature = "redis"))]
    fn each(&mut self, one: fn(&mut Self) -> Option<()>) -> Option<()> {
        (0..self.len()?).try_for_each(|_| one(self))
    }

    #[cfg(any(test, feature = "file", feature = "redis"))]
    fn skip_call(&mut self) -> Option<()> {
        match self.byte()? {
            OTHER => Method::from_path(&self.many(Self::text)?).map(drop)?,
            number => NUMBERED.get(usize::from(number)).map(drop)?,
        }
        self.each(Self::skip_value)
    }

    #[cfg(any(test, feature = "file", feature = "redis"))]
    fn skip_value(&mut self) -> Option<()> {
        match self.0.first()? {
            b'a' | b'o' | b'n' => {}
            b'd' => return matches!(self.seen()?, Seen::Float(float) if float.is_finite()).then_some(()),
            _ => return self.seen().map(drop),
        }
        match self.byte()? {
            b'a' => self.each(Self::skip_value),
            b'o' => self.each(|reader| reader.text().and_then(|_| reader.skip_value())),
            _ => self.text()?.parse::<Number>().map(drop).ok(),
        }
    }

    fn call(&mut self) -> Option<Call> {
        let method = match self.byte()? {
            OTHER => Method::from_path(&self.many(Self::text)?)?,
            number => NUMBERED.get(usize::from(number))?.clone(),
        };
        Some(Call::new(method, self.many(Self::value)?))
    }

    fn value(&mut self) -> Option<Value> {
        Some(match self.byte()? {
            b'0' => Value::Null,
            b'f' => Value::Bool(false),
            b't' => Value::Bool(true),
            b'u' => Value::from(u64::from_le_bytes(self.bytes()?)),
            b'i' => Value::from(i64::from_le_bytes(self.bytes()?)),
            b'd' => Value::Number(Number::from_f64(f64::from_le_bytes(self.bytes()?))?),
            b'n' => Value::Number(self.text()?.parse().ok()?),
            b's' => Value::String(self.text()?.to_owned()),
            b'a' => Value::Array(self.many(Self::value)?),
            b'o' => {
                let mut entries = Map::new();
                for _ in 0..self.len()? {
                    let key = self.text()?.to_owned();
                    entries.insert(key, self.value()?);
                }
                Value::Object(entries)
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "\\PC{0,200}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,10}", inner, 0..6)
                    .prop_map(|entries| Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    fn calls() -> impl Strategy<Value = Vec<Call>> {
        let other = Method::from_path(&["name_tag"]).unwrap();
        let methods = prop::sample::select([Method::ALL, &[other]].concat());
        let call = (methods, prop::collection::vec(values(), 0..4)).prop_map(|(method, args)| Call::new(method, args));
        prop::collection::vec(call, 0..4)
    }

    fn parcels() -> impl Strategy<Value = Parcel> {
        let text = || prop::option::of("\\PC{0,200}");
        let visitor = (text(), text(), text(), text(), text(), any::<bool>()).prop_map(
            |(cookie, ip, user_agent, url, referrer, has_session)| Visitor {
                cookie,
                ip,
                user_agent,
                url,
                referrer,
                has_session,
            },
        );
        (visitor, calls(), calls(), calls(), calls(), any::<bool>()).prop_map(
            |(visitor, context, before_setup, setup, tracking, via_server)| {
                let calls = Calls { before_setup, setup, tracking };
                Parcel { context, via_server, ..Parcel::new(visitor, calls) }
            },
        )
    }

    proptest! {
        #[test]
        fn a_parcel_comes_out_as_it_went_in(parcel in parcels()) {
            let mut written = Vec::new();
            write(&parcel, &mut written);
            prop_assert!(is_whole(&written) && !is_whole(&written[..written.len() - 1]));
            prop_assert_eq!(read(&written), Some(parcel));
        }

        #[test]
        fn what_was_not_written_is_refused_and_nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(!is_whole(&bytes) || read(&bytes).is_some());
            let _ = read(&bytes);
        }
    }

    #[test]
    fn it_is_small() {
        let call = Call::new(Method::Track, vec![json!("Sign In"), json!({"Plan": "Pro", "Seats": 3})]);
        let parcel = Parcel::new(Visitor::default(), Calls { tracking: vec![call], ..Calls::default() });
        let mut written = Vec::new();
        write(&parcel, &mut written);
        assert!(written.len() < 80);
    }
}

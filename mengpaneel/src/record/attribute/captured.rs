//! The values that an annotated function took on its way, and the arguments that they come to.

use std::ops::Range;

use uuid::Uuid;

use crate::call::Args;
use crate::call::value::{
    Decoder, ObjectEncoder, ValueRef, write_bool, write_len, write_text, write_text_value,
};
use crate::record::mixpanel::ID_PROPERTIES;
use crate::record::plan::{Argument, CallSpec, Property, Value};
use crate::record::recorder::Recorder;

/// Values as they were taken, written one behind the other.
#[derive(Debug)]
pub(crate) struct Captured {
    written: Vec<u8>,
    slots: Vec<Slot>,
}

/// A value, once it was taken, and when.
#[derive(Clone, Debug, Default)]
struct Slot {
    own: Option<Range<usize>>,
    ticket: u64,
}

/// Whether what a call waits for was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    NeverReached,
    False,
    True,
}

impl Captured {
    /// Room for so many.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            written: Vec::with_capacity(16 * count),
            slots: vec![Slot::default(); count],
        }
    }

    /// Puts the value there that is written so, in the place of the one that was taken before.
    pub(crate) fn put(
        &mut self,
        index: usize,
        ticket: u64,
        write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
    ) {
        let before = self.slots.get_mut(index).and_then(|slot| slot.own.take());
        if let Some(gone) = before {
            for own in self
                .slots
                .iter_mut()
                .filter_map(|slot| slot.own.as_mut())
                .filter(|own| own.start >= gone.end)
            {
                *own = own.start - gone.len()..own.end - gone.len();
            }
            self.written.drain(gone);
        }
        let begin = self.written.len();
        let own = write(&mut self.written).map(|()| begin..self.written.len());
        if own.is_none() {
            self.written.truncate(begin);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot { own, ticket };
        }
    }

    fn of(&self, slot: &Slot) -> Option<&[u8]> {
        self.written.get(slot.own.clone()?)
    }

    /// Whether the call's `when` was there, and what it said.
    pub(crate) fn met(&self, annotated: &CallSpec) -> When {
        let Some(slot) = annotated.when else {
            return When::True;
        };
        match self.slots.get(slot).and_then(|slot| self.of(slot)) {
            Some(b"t") => When::True,
            Some(_) => When::False,
            None => When::NeverReached,
        }
    }

    /// What a call is called with; `None` where a value is missing. An event is given a stamp by
    /// `recorder`.
    pub(crate) fn arguments(&self, annotated: &CallSpec, recorder: &Recorder) -> Option<Arguments> {
        let mut taken = SlotReader {
            slots: self,
            last: None,
        };
        if let Some(slot) = annotated.when {
            taken.slot(slot)?;
        }
        let (mut args, mut stamp, mut may_have_id) = (Args::with_capacity(), None, false);
        let properties_of_event = annotated
            .method
            .properties_index()
            .filter(|_| annotated.method.is_track());
        for (index, argument) in annotated.args.iter().enumerate() {
            match argument {
                Argument::Properties(properties) if properties_of_event == Some(index) => {
                    let stamp = stamp.insert(recorder.event_meta());
                    args.try_push(|to| {
                        may_have_id = taken.properties(&stamp.members(), properties, to)?;
                        Some(())
                    })?;
                }
                argument => args.try_push(|to| taken.argument(argument, to))?,
            }
        }
        Some(Arguments {
            args,
            ticket: taken.last,
            stamp: stamp.map(|stamp| stamp.id),
            may_have_id,
        })
    }
}

/// What a call is called with.
pub(crate) struct Arguments {
    pub(crate) args: Args,
    /// The place of the last value among them.
    pub(crate) ticket: Option<u64>,
    /// The name of the stamp that an event has by now.
    pub(crate) stamp: Option<Uuid>,
    /// True if an event may have a property that is an ID.
    pub(crate) may_have_id: bool,
}

/// Reads slots, and remembers when the last of them was taken.
struct SlotReader<'a> {
    slots: &'a Captured,
    last: Option<u64>,
}

impl<'a> SlotReader<'a> {
    fn slot(&mut self, index: usize) -> Option<&'a [u8]> {
        let slot = self.slots.slots.get(index)?;
        self.last = self.last.max(Some(slot.ticket));
        self.slots.of(slot)
    }

    fn argument(&mut self, argument: &Argument, to: &mut Vec<u8>) -> Option<()> {
        match argument {
            Argument::Text(text) => write_text_value(text, to),
            Argument::Runtime(index) | Argument::Name(index, _) => {
                to.extend_from_slice(self.slot(*index)?);
            }
            Argument::List(items) => {
                to.push(b'a');
                write_len(items.len(), to);
                return items.iter().try_for_each(|item| self.argument(item, to));
            }
            Argument::KeepUser => {
                let mut object = ObjectEncoder::begin(to);
                object.member(
                    to,
                    |to| write_text("delete_user", to),
                    |to| write_bool(false, to),
                );
                object.end(to);
            }
            Argument::Properties(properties) => {
                return self.properties(&[], properties, to).map(drop);
            }
        }
        Some(())
    }

    /// Writes properties, with what they have from the start. Returns whether they may have an ID
    /// among them.
    fn properties(
        &mut self,
        first: &[(&str, ValueRef<'_>)],
        properties: &[Property],
        to: &mut Vec<u8>,
    ) -> Option<bool> {
        let mut object = ObjectEncoder::begin_with(first, to);
        for property in properties {
            match property {
                Property::Named(name, value) => self.property(&mut object, name, value, to)?,
                Property::Computed(name, value, _) => {
                    let name = Decoder::new(self.slot(*name)?)
                        .read()
                        .and_then(ValueRef::as_text)?;
                    self.property(&mut object, name, value, to)?;
                }
                Property::Spread(value, _) => {
                    let mut members = Decoder::new(self.slot(*value)?);
                    if members.byte()? != b'o' {
                        return None;
                    }
                    for _ in 0..members.len()? {
                        let (name, value) = (members.text()?, members.take_raw()?);
                        object.member(
                            to,
                            |to| write_text(name, to),
                            |to| to.extend_from_slice(value),
                        );
                    }
                }
            }
        }
        let may_have_id = object.may_contain(ID_PROPERTIES, to);
        object.end(to);
        Some(may_have_id)
    }

    fn property(
        &mut self,
        object: &mut ObjectEncoder,
        name: &str,
        value: &Value,
        to: &mut Vec<u8>,
    ) -> Option<()> {
        let own = if let Value::Runtime(slot) = value {
            self.slot(*slot)?
        } else {
            &[]
        };
        object.member(
            to,
            |to| write_text(name, to),
            |to| match value {
                Value::Runtime(_) => to.extend_from_slice(own),
                Value::Text(text) => write_text_value(text, to),
                Value::Bool(truth) => write_bool(*truth, to),
                Value::Natural(natural) => ValueRef::Unsigned(*natural).write(to),
            },
        );
        Some(())
    }
}

//! Captured values of an annotated function, and the arguments that they form.

use std::ops::Range;

use uuid::Uuid;

use crate::call::Args;
use crate::call::value::{
    Decoder, ObjectEncoder, ValueRef, write_bool, write_len, write_text, write_text_value,
};
use crate::record::mixpanel::ID_PROPERTIES;
use crate::record::plan::{Argument, CallSpec, Property, Value};
use crate::record::recorder::Recorder;

/// Captured values, encoded in one buffer.
#[derive(Debug)]
pub(crate) struct CapturedValues {
    buffer: Vec<u8>,
    slots: Vec<Slot>,
}

/// Slot of one captured value.
#[derive(Clone, Debug, Default)]
struct Slot {
    /// Range of the value in the buffer. `None` until the value is captured.
    range: Option<Range<usize>>,
    /// Sequence number of the capture.
    seq: u64,
}

/// State of a call's `when` condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The condition was never evaluated.
    NeverReached,
    /// The condition was false.
    False,
    /// The condition was true, or the call has none.
    True,
}

impl CapturedValues {
    /// Creates `count` empty slots.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            buffer: Vec::with_capacity(16 * count),
            slots: vec![Slot::default(); count],
        }
    }

    /// Stores the value that `write` encodes in a slot, and removes the slot's earlier value.
    pub(crate) fn set(
        &mut self,
        index: usize,
        seq: u64,
        write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
    ) {
        let removed = self.slots.get_mut(index).and_then(|slot| slot.range.take());
        if let Some(removed) = removed {
            for range in self
                .slots
                .iter_mut()
                .filter_map(|slot| slot.range.as_mut())
                .filter(|range| range.start >= removed.end)
            {
                *range = range.start - removed.len()..range.end - removed.len();
            }
            self.buffer.drain(removed);
        }
        let start = self.buffer.len();
        let range = write(&mut self.buffer).map(|()| start..self.buffer.len());
        if range.is_none() {
            self.buffer.truncate(start);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot { range, seq };
        }
    }

    fn encoded(&self, slot: &Slot) -> Option<&[u8]> {
        self.buffer.get(slot.range.clone()?)
    }

    /// Returns the state of a call's `when` condition.
    pub(crate) fn when(&self, spec: &CallSpec) -> When {
        let Some(slot) = spec.when else {
            return When::True;
        };
        match self.slots.get(slot).and_then(|slot| self.encoded(slot)) {
            Some(b"t") => When::True,
            Some(_) => When::False,
            None => When::NeverReached,
        }
    }

    /// Returns the arguments of a call, or `None` if a value is missing. Events get their metadata
    /// from `recorder`.
    pub(crate) fn arguments(&self, spec: &CallSpec, recorder: &Recorder) -> Option<Arguments> {
        let mut reader = SlotReader {
            captured: self,
            last_seq: None,
        };
        if let Some(slot) = spec.when {
            reader.slot(slot)?;
        }
        let (mut args, mut meta, mut may_have_id) = (Args::with_capacity(), None, false);
        let event_properties = spec
            .method
            .properties_index()
            .filter(|_| spec.method.is_track());
        for (index, argument) in spec.args.iter().enumerate() {
            match argument {
                Argument::Properties(properties) if event_properties == Some(index) => {
                    let meta = meta.insert(recorder.event_meta());
                    args.try_push(|to| {
                        may_have_id = reader.properties(&meta.members(), properties, to)?;
                        Some(())
                    })?;
                }
                argument => args.try_push(|to| reader.argument(argument, to))?,
            }
        }
        Some(Arguments {
            args,
            seq: reader.last_seq,
            event_id: meta.map(|meta| meta.id),
            may_have_id,
        })
    }
}

/// Arguments of a call.
pub(crate) struct Arguments {
    pub(crate) args: Args,
    /// Sequence number of the last captured value. `None` without captured values.
    pub(crate) seq: Option<u64>,
    /// `$insert_id` of an event that has its metadata. `None` for other calls.
    pub(crate) event_id: Option<Uuid>,
    /// True if an event may have a property that is an ID.
    pub(crate) may_have_id: bool,
}

/// Reader of slots that tracks the sequence number of the latest value.
struct SlotReader<'a> {
    captured: &'a CapturedValues,
    last_seq: Option<u64>,
}

impl<'a> SlotReader<'a> {
    fn slot(&mut self, index: usize) -> Option<&'a [u8]> {
        let slot = self.captured.slots.get(index)?;
        self.last_seq = self.last_seq.max(Some(slot.seq));
        self.captured.encoded(slot)
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

    /// Encodes properties as an object that begins with the members of `first`. Returns whether
    /// the object may have a property that is an ID, or `None` if a value is missing.
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
        let captured: &[u8] = if let Value::Runtime(slot) = value {
            self.slot(*slot)?
        } else {
            &[]
        };
        object.member(
            to,
            |to| write_text(name, to),
            |to| match value {
                Value::Runtime(_) => to.extend_from_slice(captured),
                Value::Text(text) => write_text_value(text, to),
                Value::Bool(boolean) => write_bool(*boolean, to),
                Value::Natural(integer) => ValueRef::Unsigned(*integer).write(to),
            },
        );
        Some(())
    }
}

//! Captured values of an annotated function, and the arguments that they form.

use std::ops::Range;

use uuid::Uuid;

use crate::call::Args;
use crate::call::json::{
    JsonRef, KnownNames, ObjectWriter, Scalar, is_name, write_bool, write_text,
};
use crate::record::plan::{Argument, CallSpec, Property, Value};
use crate::record::recorder::Recorder;

/// Captured values, as JSON in one buffer.
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

    /// Stores the value that `write` writes in a slot, and removes the slot's earlier value.
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

    fn json(&self, slot: &Slot) -> Option<JsonRef<'_>> {
        self.buffer.get(slot.range.clone()?).map(JsonRef::new)
    }

    /// Returns the state of a call's `when` condition.
    pub(crate) fn when(&self, spec: &CallSpec) -> When {
        let Some(slot) = spec.when else {
            return When::True;
        };
        match self.slots.get(slot).and_then(|slot| self.json(slot)) {
            Some(value) if value.as_bytes() == b"true" => When::True,
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
        let (mut args, mut meta) = (Args::with_capacity(), None);
        let event_properties = spec
            .method
            .properties_index()
            .filter(|_| spec.method.is_track());
        for (index, argument) in spec.args.iter().enumerate() {
            match argument {
                Argument::Properties(properties) if event_properties == Some(index) => {
                    let meta = meta.insert(recorder.event_meta());
                    let (members, mut names) = (meta.members(), KnownNames::ALL);
                    args.try_push(|to| {
                        names = reader.properties(&members, properties, to)?;
                        Some(())
                    })?;
                    args.set_names(names.with_meta());
                }
                argument => args.try_push(|to| reader.argument(argument, to))?,
            }
        }
        Some(Arguments {
            args,
            seq: reader.last_seq,
            event_id: meta.map(|meta| meta.id),
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
}

/// Reader of slots that tracks the sequence number of the latest value.
struct SlotReader<'a> {
    captured: &'a CapturedValues,
    last_seq: Option<u64>,
}

impl<'a> SlotReader<'a> {
    fn slot(&mut self, index: usize) -> Option<JsonRef<'a>> {
        let slot = self.captured.slots.get(index)?;
        self.last_seq = self.last_seq.max(Some(slot.seq));
        self.captured.json(slot)
    }

    fn argument(&mut self, argument: &Argument, to: &mut Vec<u8>) -> Option<()> {
        match argument {
            Argument::Text(text) => write_text(text, to),
            Argument::Runtime(index) | Argument::Name(index, _) => {
                to.extend_from_slice(self.slot(*index)?.as_bytes());
            }
            Argument::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    to.push(if index == 0 { b'[' } else { b',' });
                    self.argument(item, to)?;
                }
                to.extend_from_slice(if items.is_empty() { b"[]" } else { b"]" });
            }
            Argument::KeepUser => to.extend_from_slice(br#"{"delete_user":false}"#),
            Argument::Properties(properties) => {
                return self.properties(&[], properties, to).map(drop);
            }
        }
        Some(())
    }

    /// Writes properties as an object, and those of `missing` that it does not have. Returns the
    /// names, or `None` if a value is missing.
    fn properties(
        &mut self,
        missing: &[(&str, Scalar<'_>)],
        properties: &[Property],
        to: &mut Vec<u8>,
    ) -> Option<KnownNames> {
        let mut object = ObjectWriter::begin(to);
        let mut rest = properties;
        while let Some((property, later)) = rest.split_first() {
            rest = later;
            match property {
                Property::Named(name, value) if !self.has_spread(later, name) => {
                    self.property(&mut object, name, value, to)?;
                }
                Property::Named(..) => {}
                Property::Computed(name, value, _) => {
                    let name = self.slot(*name)?.as_text()?;
                    self.property(&mut object, &name, value, to)?;
                }
                Property::Spread(slot, _) => {
                    let members = self.slot(*slot)?;
                    if members.first() != b'{' {
                        return None;
                    }
                    let is_named = |name: &[u8]| {
                        later.iter().any(|property| {
                            matches!(property, Property::Named(other, _) if is_name(name, other))
                        })
                    };
                    object.spread(members, is_named, to);
                }
            }
        }
        Some(object.end(missing, to))
    }

    /// Returns whether a map among `properties` replaces a property.
    fn has_spread(&self, properties: &[Property], name: &str) -> bool {
        properties.iter().any(|property| match property {
            Property::Spread(slot, _) => self
                .captured
                .slots
                .get(*slot)
                .and_then(|slot| self.captured.json(slot)?.member(name))
                .is_some(),
            _ => false,
        })
    }

    fn property(
        &mut self,
        object: &mut ObjectWriter,
        name: &str,
        value: &Value,
        to: &mut Vec<u8>,
    ) -> Option<()> {
        object.name(name, to);
        match value {
            Value::Runtime(slot) => to.extend_from_slice(self.slot(*slot)?.as_bytes()),
            Value::Text(text) => write_text(text, to),
            Value::Bool(boolean) => write_bool(*boolean, to),
            Value::Natural(integer) => Scalar::Unsigned(*integer).write(to),
        }
        Some(())
    }
}

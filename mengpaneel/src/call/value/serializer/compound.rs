//! Serializers of lists and objects.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Value};

use crate::call::value::object::ObjectEncoder;
use crate::call::value::serializer::{write, write_at_depth, write_json_value};
use crate::call::value::value_ref::ValueRef;
use crate::call::value::{set_len, write_text};

/// Encoder of an enum variant: an object with one member.
pub(crate) struct VariantEncoder {
    pub(crate) object: ObjectEncoder,
    /// Start of the member.
    pub(crate) start: usize,
}

impl VariantEncoder {
    pub(crate) fn end(self, to: &mut Vec<u8>) {
        let Self { mut object, start } = self;
        object.add_written(start, to);
        object.end(to);
    }
}

/// Serializer of a list.
pub(crate) struct SeqSerializer<'a> {
    pub(crate) to: &'a mut Vec<u8>,
    /// Position of the length.
    pub(crate) at: usize,
    pub(crate) len: usize,
    /// Number of lists and objects around the items.
    pub(crate) depth: usize,
    pub(crate) variant: Option<Box<VariantEncoder>>,
}

impl SerializeSeq for SeqSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let start = self.to.len();
        let result = write_at_depth(self.depth, value, &[], self.to);
        // The caller may go on without the item.
        if result.is_err() {
            self.to.truncate(start);
        } else {
            self.len += 1;
        }
        result
    }

    fn end(self) -> Result<(), Error> {
        set_len(self.at, self.len, self.to);
        if let Some(variant) = self.variant {
            variant.end(self.to);
        }
        Ok(())
    }
}

impl SerializeTuple for SeqSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleStruct for SeqSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

impl SerializeTupleVariant for SeqSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<(), Error> {
        SerializeSeq::end(self)
    }
}

/// Serializer of an object.
pub(crate) struct MapSerializer<'a> {
    pub(crate) to: &'a mut Vec<u8>,
    pub(crate) object: &'a mut ObjectEncoder,
    /// Start of the member whose value comes next. `None` between members.
    pub(crate) member_start: Option<usize>,
    /// Number of lists and objects around the values.
    pub(crate) depth: usize,
    pub(crate) variant: Option<Box<VariantEncoder>>,
}

impl MapSerializer<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let start = self.to.len();
        write_text(name, self.to);
        self.value(start, value)
    }

    /// Writes the value of the member that starts at `start`. Removes the member if that fails,
    /// since the caller may go on without it.
    fn value<T: Serialize + ?Sized>(&mut self, start: usize, value: &T) -> Result<(), Error> {
        let result = write_at_depth(self.depth, value, &[], self.to);
        if result.is_err() {
            self.to.truncate(start);
        } else {
            self.object.add_written(start, self.to);
        }
        result
    }

    fn end(self) {
        if let Some(start) = self.member_start {
            self.to.truncate(start);
        }
        self.object.end(self.to);
        if let Some(variant) = self.variant {
            variant.end(self.to);
        }
    }
}

impl SerializeMap for MapSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        if let Some(start) = self.member_start.take() {
            self.to.truncate(start);
        }
        let start = self.to.len();
        let is_text = write(key, self.to).is_ok() && self.to.get(start) == Some(&b's');
        if is_text {
            // Names have no tag.
            self.to.remove(start);
        } else {
            self.to.truncate(start);
            write_text(&key_text(key)?, self.to);
        }
        self.member_start = Some(start);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self.member_start.take() {
            Some(start) => self.value(start, value),
            None => Err(Error::custom("a value without a key")),
        }
    }

    fn end(self) -> Result<(), Error> {
        MapSerializer::end(self);
        Ok(())
    }
}

impl SerializeStructVariant for MapSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Error> {
        MapSerializer::end(self);
        Ok(())
    }
}

/// Serializer of a struct.
pub(crate) enum StructSerializer<'a> {
    /// A struct that becomes an object.
    Members(MapSerializer<'a>),
    /// A private struct of `serde_json`, whose only field holds JSON as a text. The fields are the
    /// buffer, the default members of an object, and the number of lists and objects around it.
    Json(&'a mut Vec<u8>, &'a [(&'a str, ValueRef<'a>)], usize),
}

impl SerializeStruct for StructSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        match self {
            Self::Members(members) => members.field(name, value),
            Self::Json(to, defaults, depth) => match serde_json::to_value(value)? {
                Value::String(json) => {
                    write_json_value(*depth, &serde_json::from_str::<Value>(&json)?, defaults, to)
                }
                other => write_json_value(*depth, &other, defaults, to),
            },
        }
    }

    fn end(self) -> Result<(), Error> {
        if let Self::Members(members) = self {
            members.end();
        }
        Ok(())
    }
}

/// Returns the text that `serde_json` makes of a key that is not a text.
///
/// # Errors
/// Returns an error if `serde_json` has none.
fn key_text(key: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    struct KeySerializer<'a, K: ?Sized>(&'a K);

    impl<K: Serialize + ?Sized> Serialize for KeySerializer<'_, K> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(self.0, ())])
        }
    }

    match serde_json::to_value(KeySerializer(key))? {
        Value::Object(entries) => entries.into_iter().next().map(|(name, _)| name),
        _ => None,
    }
    .ok_or_else(|| Error::custom("key must be a string"))
}

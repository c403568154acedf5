//! Lists and objects while they are written.

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Value};

use crate::call::value::object::ObjectEncoder;
use crate::call::value::seen::ValueRef;
use crate::call::value::serializer::{write, write_at, write_own};
use crate::call::value::{set_len, write_text};

/// An object of one member, which is being written.
pub(crate) struct VariantEncoder {
    pub(crate) object: ObjectEncoder,
    pub(crate) begin: usize,
}

impl VariantEncoder {
    pub(crate) fn end(self, to: &mut Vec<u8>) {
        let Self { mut object, begin } = self;
        object.put(begin, to);
        object.end(to);
    }
}

/// A list that is being written.
pub(crate) struct SeqSerializer<'a> {
    pub(crate) to: &'a mut Vec<u8>,
    /// Where its length stands.
    pub(crate) at: usize,
    pub(crate) len: usize,
    /// Number of lists and objects around its items.
    pub(crate) depth: usize,
    pub(crate) variant: Option<Box<VariantEncoder>>,
}

impl SerializeSeq for SeqSerializer<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let begin = self.to.len();
        let done = write_at(self.depth, value, &[], self.to);
        // Who serialises may go on without it.
        if done.is_err() {
            self.to.truncate(begin);
        } else {
            self.len += 1;
        }
        done
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

/// An object that is being written.
pub(crate) struct MapSerializer<'a> {
    pub(crate) to: &'a mut Vec<u8>,
    pub(crate) object: &'a mut ObjectEncoder,
    /// Where the member begins whose value is to come.
    pub(crate) begin: Option<usize>,
    /// Number of lists and objects around its values.
    pub(crate) depth: usize,
    pub(crate) variant: Option<Box<VariantEncoder>>,
}

impl MapSerializer<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Error> {
        let begin = self.to.len();
        write_text(name, self.to);
        self.value(begin, value)
    }

    /// The value of the member that begins there. Who serialises may go on without it.
    fn value<T: Serialize + ?Sized>(&mut self, begin: usize, value: &T) -> Result<(), Error> {
        let done = write_at(self.depth, value, &[], self.to);
        if done.is_err() {
            self.to.truncate(begin);
        } else {
            self.object.put(begin, self.to);
        }
        done
    }

    fn end(self) {
        if let Some(begin) = self.begin {
            self.to.truncate(begin);
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
        if let Some(begin) = self.begin.take() {
            self.to.truncate(begin);
        }
        let begin = self.to.len();
        let is_text = write(key, self.to).is_ok() && self.to.get(begin) == Some(&b's');
        if is_text {
            // A name stands without the sign that it is a text.
            self.to.remove(begin);
        } else {
            self.to.truncate(begin);
            write_text(&name(key)?, self.to);
        }
        self.begin = Some(begin);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        match self.begin.take() {
            Some(begin) => self.value(begin, value),
            None => Err(Error::custom("a value without its key")),
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

/// A struct that is being written.
pub(crate) enum StructSerializer<'a> {
    /// As an object.
    Members(MapSerializer<'a>),
    /// It stands for JSON of `serde_json`'s own, which its only field holds as a text; and what
    /// that has from the start, if it is an object; and the number of lists and objects around
    /// it.
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
            Self::Json(to, first, depth) => match serde_json::to_value(value)? {
                Value::String(json) => {
                    write_own(*depth, &serde_json::from_str::<Value>(&json)?, first, to)
                }
                other => write_own(*depth, &other, first, to),
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

/// The name that `serde_json` makes of a key that is no text, if it does.
fn name(key: &(impl Serialize + ?Sized)) -> Result<String, Error> {
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

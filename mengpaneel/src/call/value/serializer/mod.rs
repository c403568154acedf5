//! Writing whatever serialises, to the same effect as by way of `serde_json`'s values.

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::{Error, Value};

use crate::call::value::object::ObjectEncoder;
use crate::call::value::seen::ValueRef;
use crate::call::value::serializer::compound::{
    MapSerializer, SeqSerializer, StructSerializer, VariantEncoder,
};
use crate::call::value::{
    write_bool, write_negative, write_text, write_text_value, write_u64, write_value,
};

mod compound;

/// Number of lists and objects that a value may be nested in. With what stands around it, a value
/// of that depth is below the bounds of everything that reads it: 100 in Ruby's JSON, 128 in
/// `serde_json`.
pub(crate) const MAX_DEPTH: usize = 64;

/// Beyond it a browser rounds an integer.
const MAX_EXACT_INTEGER: u64 = 1 << 53;

/// As `serde_json` names what stands for JSON of its own.
const SERDE_JSON_PRIVATE: &str = "$serde_json::private::";

/// Writes a value. An integer beyond ±2^53 becomes a text, at any depth: a browser would round it.
///
/// # Errors
/// Where it is nothing that JSON can say. What was written of it is to be taken away.
pub(crate) fn write(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) -> Result<(), Error> {
    write_at(0, value, &[], to)
}

/// Writes a value that stands in so many lists and objects.
fn write_at(
    depth: usize,
    value: &(impl Serialize + ?Sized),
    first: &[(&str, ValueRef<'_>)],
    to: &mut Vec<u8>,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::custom(format_args!(
            "it is nested more than {MAX_DEPTH} deep"
        )));
    }
    value.serialize(ValueSerializer {
        to,
        first,
        room: &mut None,
        depth,
    })
}

/// Writes a value. If it is an object, it has these members too, unless it says them itself.
/// Returns whether it may have a member whose name begins with one of `begins`.
///
/// # Errors
/// As [`write`].
pub(crate) fn write_with<const N: usize>(
    value: &(impl Serialize + ?Sized),
    first: &[(&str, ValueRef<'_>)],
    begins: [&[u8; 8]; N],
    to: &mut Vec<u8>,
) -> Result<bool, Error> {
    let mut room = None;
    value.serialize(ValueSerializer {
        to,
        first,
        room: &mut room,
        depth: 0,
    })?;
    // An enum's only member, and what stands for JSON, have an object of their own.
    Ok(room.is_none_or(|object: ObjectEncoder| object.may_contain(begins, to)))
}

/// Writes a value of `serde_json`'s, which may serialise as what it is read from.
fn write_own(
    depth: usize,
    value: &Value,
    first: &[(&str, ValueRef<'_>)],
    to: &mut Vec<u8>,
) -> Result<(), Error> {
    match value {
        Value::Number(number) => {
            let exact = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            let is_exact =
                number.is_f64() || exact.is_some_and(|magnitude| magnitude <= MAX_EXACT_INTEGER);
            if is_exact {
                write_value(value, to);
            } else {
                write_text_value(&number.to_string(), to);
            }
            Ok(())
        }
        value => write_at(depth, value, first, to),
    }
}

struct ValueSerializer<'a> {
    to: &'a mut Vec<u8>,
    /// What an object has from the start.
    first: &'a [(&'a str, ValueRef<'a>)],
    /// Where the object is, if it is one: it would be copied from hand to hand otherwise.
    room: &'a mut Option<ObjectEncoder>,
    /// Number of lists and objects around the value.
    depth: usize,
}

impl<'a> ValueSerializer<'a> {
    /// A number that has more digits than most: `serde_json` knows whether it is one.
    fn large(self, number: impl Serialize) -> Result<(), Error> {
        write_own(self.depth, &serde_json::to_value(number)?, &[], self.to)
    }

    fn list(self) -> SeqSerializer<'a> {
        self.to.push(b'a');
        self.to.push(0);
        SeqSerializer {
            at: self.to.len() - 1,
            to: self.to,
            len: 0,
            depth: self.depth + 1,
            variant: None,
        }
    }

    fn members(self) -> MapSerializer<'a> {
        let object = self.room.get_or_insert_default();
        object.open(self.first, self.to);
        MapSerializer {
            to: self.to,
            object,
            begin: None,
            depth: self.depth + 1,
            variant: None,
        }
    }

    /// An object whose only own member has this name.
    fn variant(self, name: &str) -> (Self, VariantEncoder) {
        let object = ObjectEncoder::begin_with(self.first, self.to);
        let begin = self.to.len();
        write_text(name, self.to);
        (
            Self {
                first: &[],
                depth: self.depth + 1,
                ..self
            },
            VariantEncoder { object, begin },
        )
    }
}

impl<'a> Serializer for ValueSerializer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = SeqSerializer<'a>;
    type SerializeTuple = SeqSerializer<'a>;
    type SerializeTupleStruct = SeqSerializer<'a>;
    type SerializeTupleVariant = SeqSerializer<'a>;
    type SerializeMap = MapSerializer<'a>;
    type SerializeStruct = StructSerializer<'a>;
    type SerializeStructVariant = MapSerializer<'a>;

    fn serialize_bool(self, truth: bool) -> Result<(), Error> {
        write_bool(truth, self.to);
        Ok(())
    }

    fn serialize_i8(self, integer: i8) -> Result<(), Error> {
        self.serialize_i64(integer.into())
    }

    fn serialize_i16(self, integer: i16) -> Result<(), Error> {
        self.serialize_i64(integer.into())
    }

    fn serialize_i32(self, integer: i32) -> Result<(), Error> {
        self.serialize_i64(integer.into())
    }

    fn serialize_i64(self, integer: i64) -> Result<(), Error> {
        match u64::try_from(integer) {
            Ok(natural) => return self.serialize_u64(natural),
            Err(_) if integer.unsigned_abs() > MAX_EXACT_INTEGER => {
                write_text_value(&integer.to_string(), self.to);
            }
            Err(_) => write_negative(integer, self.to),
        }
        Ok(())
    }

    fn serialize_i128(self, integer: i128) -> Result<(), Error> {
        if let Ok(natural) = u64::try_from(integer) {
            return self.serialize_u64(natural);
        }
        match i64::try_from(integer) {
            Ok(integer) => self.serialize_i64(integer),
            Err(_) => self.large(integer),
        }
    }

    fn serialize_u8(self, natural: u8) -> Result<(), Error> {
        self.serialize_u64(natural.into())
    }

    fn serialize_u16(self, natural: u16) -> Result<(), Error> {
        self.serialize_u64(natural.into())
    }

    fn serialize_u32(self, natural: u32) -> Result<(), Error> {
        self.serialize_u64(natural.into())
    }

    fn serialize_u64(self, natural: u64) -> Result<(), Error> {
        if natural > MAX_EXACT_INTEGER {
            write_text_value(&natural.to_string(), self.to);
        } else {
            write_u64(natural, self.to);
        }
        Ok(())
    }

    fn serialize_u128(self, natural: u128) -> Result<(), Error> {
        match u64::try_from(natural) {
            Ok(natural) => self.serialize_u64(natural),
            Err(_) => self.large(natural),
        }
    }

    fn serialize_f32(self, float: f32) -> Result<(), Error> {
        write_value(&Value::from(float), self.to);
        Ok(())
    }

    fn serialize_f64(self, float: f64) -> Result<(), Error> {
        write_value(&Value::from(float), self.to);
        Ok(())
    }

    fn serialize_char(self, letter: char) -> Result<(), Error> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), Error> {
        write_text_value(text, self.to);
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Error> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.to.push(b'0');
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let (Self { to, depth, .. }, variant) = self.variant(variant);
        write_at(depth, value, &[], to)?;
        variant.end(to);
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<SeqSerializer<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple(self, _: usize) -> Result<SeqSerializer<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<SeqSerializer<'a>, Error> {
        Ok(self.list())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<SeqSerializer<'a>, Error> {
        let (writer, variant) = self.variant(variant);
        Ok(SeqSerializer {
            variant: Some(Box::new(variant)),
            ..writer.list()
        })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MapSerializer<'a>, Error> {
        Ok(self.members())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<StructSerializer<'a>, Error> {
        Ok(if name.starts_with(SERDE_JSON_PRIVATE) {
            StructSerializer::Json(self.to, self.first, self.depth)
        } else {
            StructSerializer::Members(self.members())
        })
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<MapSerializer<'a>, Error> {
        let (writer, variant) = self.variant(variant);
        Ok(MapSerializer {
            variant: Some(Box::new(variant)),
            ..writer.members()
        })
    }
}

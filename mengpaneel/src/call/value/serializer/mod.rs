//! Serializer to the binary encoding. The result is that of `serde_json::to_value`, encoded.

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::{Error, Value};

use crate::call::value::object::ObjectEncoder;
use crate::call::value::serializer::compound::{
    MapSerializer, SeqSerializer, StructSerializer, VariantEncoder,
};
use crate::call::value::value_ref::ValueRef;
use crate::call::value::{
    write_bool, write_negative, write_text, write_text_value, write_u64, write_value,
};

mod compound;

/// Maximum number of lists and objects around a value. With the call around it, a value of this
/// depth stays below the limits of all readers: 100 in Ruby's JSON, 128 in `serde_json`.
pub(crate) const MAX_DEPTH: usize = 64;

/// Largest magnitude of an integer that a browser does not round: `Number.MAX_SAFE_INTEGER` plus
/// one.
const MAX_EXACT_INTEGER: u64 = 1 << 53;

/// Prefix of the names of `serde_json`'s private structs, which hold JSON as a text.
const SERDE_JSON_PRIVATE: &str = "$serde_json::private::";

/// Writes a value. An integer beyond ±2^53 becomes a text, at any depth: a browser would round it.
///
/// # Errors
/// Returns an error if JSON cannot represent the value. The caller must then truncate `to`.
pub(crate) fn write(value: &(impl Serialize + ?Sized), to: &mut Vec<u8>) -> Result<(), Error> {
    write_at_depth(0, value, &[], to)
}

/// Writes a value with `depth` lists and objects around it.
fn write_at_depth(
    depth: usize,
    value: &(impl Serialize + ?Sized),
    defaults: &[(&str, ValueRef<'_>)],
    to: &mut Vec<u8>,
) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::custom(format_args!(
            "it is nested more than {MAX_DEPTH} deep"
        )));
    }
    value.serialize(ValueSerializer {
        to,
        defaults,
        encoder: &mut None,
        depth,
    })
}

/// Writes a value. An object gets the members of `defaults` that it does not have. Returns whether
/// the object may have a member whose name starts with one of `prefixes`.
///
/// # Errors
/// Like [`write`].
pub(crate) fn write_with<const N: usize>(
    value: &(impl Serialize + ?Sized),
    defaults: &[(&str, ValueRef<'_>)],
    prefixes: [&[u8; 8]; N],
    to: &mut Vec<u8>,
) -> Result<bool, Error> {
    let mut encoder = None;
    value.serialize(ValueSerializer {
        to,
        defaults,
        encoder: &mut encoder,
        depth: 0,
    })?;
    // Enum variants and private structs of `serde_json` use another encoder.
    Ok(encoder.is_none_or(|object: ObjectEncoder| object.may_contain(prefixes, to)))
}

/// Writes a value of `serde_json`. A number may serialise as a private struct, so numbers are
/// written directly.
fn write_json_value(
    depth: usize,
    value: &Value,
    defaults: &[(&str, ValueRef<'_>)],
    to: &mut Vec<u8>,
) -> Result<(), Error> {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            let is_exact = number.is_f64()
                || magnitude.is_some_and(|magnitude| magnitude <= MAX_EXACT_INTEGER);
            if is_exact {
                write_value(value, to);
            } else {
                write_text_value(&number.to_string(), to);
            }
            Ok(())
        }
        value => write_at_depth(depth, value, defaults, to),
    }
}

struct ValueSerializer<'a> {
    to: &'a mut Vec<u8>,
    /// Default members of an object.
    defaults: &'a [(&'a str, ValueRef<'a>)],
    /// Storage of the encoder, if the value is an object. By value, the encoder would be copied at
    /// each call.
    encoder: &'a mut Option<ObjectEncoder>,
    /// Number of lists and objects around the value.
    depth: usize,
}

impl<'a> ValueSerializer<'a> {
    /// Writes a number with more than 64 bits. `serde_json` decides if it is valid.
    fn large(self, number: impl Serialize) -> Result<(), Error> {
        write_json_value(self.depth, &serde_json::to_value(number)?, &[], self.to)
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
        let object = self.encoder.get_or_insert_default();
        object.open(self.defaults, self.to);
        MapSerializer {
            to: self.to,
            object,
            member_start: None,
            depth: self.depth + 1,
            variant: None,
        }
    }

    /// Starts an object whose only member, apart from the defaults, is `name`.
    fn variant(self, name: &str) -> (Self, VariantEncoder) {
        let object = ObjectEncoder::begin_with(self.defaults, self.to);
        let start = self.to.len();
        write_text(name, self.to);
        (
            Self {
                defaults: &[],
                depth: self.depth + 1,
                ..self
            },
            VariantEncoder { object, start },
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

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        write_bool(value, self.to);
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
            Ok(value) => return self.serialize_u64(value),
            Err(_) if integer.unsigned_abs() > MAX_EXACT_INTEGER => {
                write_text_value(&integer.to_string(), self.to);
            }
            Err(_) => write_negative(integer, self.to),
        }
        Ok(())
    }

    fn serialize_i128(self, integer: i128) -> Result<(), Error> {
        if let Ok(value) = u64::try_from(integer) {
            return self.serialize_u64(value);
        }
        match i64::try_from(integer) {
            Ok(integer) => self.serialize_i64(integer),
            Err(_) => self.large(integer),
        }
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        if value > MAX_EXACT_INTEGER {
            write_text_value(&value.to_string(), self.to);
        } else {
            write_u64(value, self.to);
        }
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        match u64::try_from(value) {
            Ok(value) => self.serialize_u64(value),
            Err(_) => self.large(value),
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
        write_at_depth(depth, value, &[], to)?;
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
            StructSerializer::Json(self.to, self.defaults, self.depth)
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

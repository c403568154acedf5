//! Arguments of a call: JSON text when they are recorded, and values on request.

use std::sync::OnceLock;

use serde_json::Value;

use crate::call::json::{JsonRef, KnownNames, Scalar, add_missing, write_text, write_value};

/// Arguments of a call, in order.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    len: usize,
    /// JSON list of the arguments.
    json: Vec<u8>,
    /// Names of an event's properties.
    names: KnownNames,
    /// Parsed arguments, made on first use.
    values: OnceLock<Vec<Value>>,
}

/// Compares values: the order of an object's members does not count.
impl PartialEq for Args {
    fn eq(&self, other: &Self) -> bool {
        self.json == other.json || self.values() == other.values()
    }
}

impl From<Vec<Value>> for Args {
    fn from(values: Vec<Value>) -> Self {
        let mut json = Vec::new();
        write_value(&values, &mut json);
        Self {
            len: values.len(),
            json,
            names: KnownNames::ALL,
            values: OnceLock::from(values),
        }
    }
}

impl Args {
    /// Creates an empty list with capacity for a few arguments.
    pub(crate) fn with_capacity() -> Self {
        let mut json = Vec::with_capacity(320);
        json.extend_from_slice(b"[]");
        Self {
            len: 0,
            json,
            names: KnownNames::ALL,
            values: OnceLock::new(),
        }
    }

    /// Creates a list from the JSON of `len` arguments. `names` are those of an event's properties.
    pub(crate) fn from_json(len: usize, json: &[u8], names: KnownNames) -> Self {
        Self {
            len,
            json: json.to_vec(),
            names,
            values: OnceLock::new(),
        }
    }

    /// Adds an argument. `write` must write exactly one value.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let _ = self.try_push(|to| {
            write(to);
            Some(())
        });
    }

    /// Adds an argument if `write` returns `Some`; otherwise removes the bytes that it wrote.
    pub(crate) fn try_push(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Option<()>,
    ) -> Option<()> {
        self.json.pop();
        let end = self.json.len();
        if self.len > 0 {
            self.json.push(b',');
        }
        let pushed = write(&mut self.json);
        match pushed {
            Some(()) => {
                self.values.take();
                self.len += 1;
            }
            None => self.json.truncate(end),
        }
        self.json.push(b']');
        pushed
    }

    /// Sets the names of an event's properties, after they were written.
    pub(crate) fn set_names(&mut self, names: KnownNames) {
        self.names = names;
    }

    /// Returns the names of an event's properties.
    pub(crate) fn names(&self) -> KnownNames {
        self.names
    }

    /// Adds a string.
    pub(crate) fn push_text(&mut self, text: &str) {
        self.push(|to| write_text(text, to));
    }

    /// Returns the number of arguments.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the JSON list of the arguments.
    pub(crate) fn as_json(&self) -> JsonRef<'_> {
        JsonRef::new(&self.json)
    }

    /// Returns the parsed arguments.
    pub(crate) fn values(&self) -> &[Value] {
        self.values
            .get_or_init(|| serde_json::from_slice(&self.json).unwrap_or_default())
    }

    /// Returns the arguments without parsing them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = JsonRef<'_>> {
        let mut items = self.as_json().items();
        (1..=self.len).map_while(move |count| {
            if count == self.len {
                items.last_item()
            } else {
                items.next()
            }
        })
    }

    /// Returns the argument at `index` without parsing it.
    pub(crate) fn get(&self, index: usize) -> Option<JsonRef<'_>> {
        self.iter().nth(index)
    }

    /// Adds members that the object at `index` does not have yet; they must have known names. A
    /// missing argument or `null` becomes an object; any other value stays unchanged.
    pub(crate) fn default_members(&mut self, index: usize, members: &[(&str, Scalar<'_>)]) {
        while self.len <= index {
            self.push(|to| to.extend_from_slice(b"null"));
        }
        let mut object = match self.get(index).map(JsonRef::as_bytes) {
            Some(b"null") => b"{}".to_vec(),
            Some(object @ [b'{', ..]) => object.to_vec(),
            _ => return,
        };
        add_missing(members, KnownNames::ALL, 0, &mut object);
        let mut changed = Self::with_capacity();
        for (at, item) in self.iter().enumerate() {
            let item = if at == index {
                &object
            } else {
                item.as_bytes()
            };
            changed.push(|to| to.extend_from_slice(item));
        }
        *self = changed;
    }
}

//! JSON of arguments. Values that cannot be written are reported.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;

use crate::call::json::{
    JsonRef, KnownNames, Scalar, add_missing, write_text, write_value, write_with_names,
};
use crate::error::Reason;
use crate::record::mixpanel::{Amount, Id, Ids, Mixpanel};
use crate::record::recorder::CallSite;

/// Runs a value's `Serialize` and turns a panic into an error: tracking must not end a request.
fn catch_panic<T, E: fmt::Display>(serialize: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(serialize)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the Serialize implementation panicked".to_owned()),
    }
}

/// Function that returns the call site, called only if there is a failure to report.
pub(crate) type SiteFn<'a> = &'a dyn Fn() -> CallSite;

impl Mixpanel {
    /// Writes a value. A value that cannot be written is reported and becomes `null`.
    pub(crate) fn encode_value(
        &self,
        subject: &(impl fmt::Display + ?Sized),
        site: SiteFn<'_>,
        value: impl Serialize,
        to: &mut Vec<u8>,
    ) {
        self.encode_with_names(subject, site, value, to);
    }

    /// Same as [`encode_value`](Self::encode_value). Returns the names that the value may have as
    /// an object.
    fn encode_with_names(
        &self,
        subject: &(impl fmt::Display + ?Sized),
        site: SiteFn<'_>,
        value: impl Serialize,
        to: &mut Vec<u8>,
    ) -> KnownNames {
        let start = to.len();
        if self.is_recording() {
            match catch_panic(|| write_with_names(&value, to)) {
                Ok(names) => return names,
                Err(error) => self.report(Reason::NotSerializable {
                    subject: format!("{subject} at {}", site()),
                    error,
                }),
            }
        }
        to.truncate(start);
        to.extend_from_slice(b"null");
        KnownNames::default()
    }

    /// Writes properties as an object. Missing properties, and those that cannot be written, become
    /// an empty object.
    pub(crate) fn encode_properties(
        &self,
        subject: &(impl fmt::Display + ?Sized),
        site: SiteFn<'_>,
        properties: impl Serialize,
        to: &mut Vec<u8>,
    ) {
        self.encode_properties_with(&[], subject, site, properties, to);
    }

    /// Same as [`encode_properties`](Self::encode_properties). Adds those of `missing` that the
    /// object does not have. Returns the names of the properties.
    pub(crate) fn encode_properties_with(
        &self,
        missing: &[(&str, Scalar<'_>)],
        subject: &(impl fmt::Display + ?Sized),
        site: SiteFn<'_>,
        properties: impl Serialize,
        to: &mut Vec<u8>,
    ) -> KnownNames {
        let start = to.len();
        let names = self.encode_with_names(subject, site, properties, to);
        let rejected = match to.get(start) {
            Some(b'{') => {
                add_missing(missing, names, start, to);
                return names;
            }
            Some(b'n') => None,
            _ => JsonRef::new(to.get(start..).unwrap_or_default()).to_value(),
        };
        to.truncate(start);
        to.extend_from_slice(b"{}");
        add_missing(missing, KnownNames::default(), start, to);
        if let Some(value) = rejected {
            let subject = format!("the properties of {subject} at {}", site());
            self.report(Reason::NotSerializable {
                subject,
                error: format!("{value} is not an object"),
            });
        }
        KnownNames::default()
    }

    /// Writes an amount. `None` if it is not finite, which is reported.
    pub(crate) fn encode_amount(
        &self,
        subject: &str,
        site: SiteFn<'_>,
        amount: &impl Amount,
        to: &mut Vec<u8>,
    ) -> Option<()> {
        let number = amount.number();
        if number.is_none() {
            let error = "the amount is not a finite number".to_owned();
            self.report(Reason::NotSerializable {
                subject: format!("{subject} at {}", site()),
                error,
            });
        }
        write_value(&number?, to);
        Some(())
    }
}

/// Writes an ID as a string. Invalid IDs are found when the call is recorded. If the `Id`
/// implementation panics, the result is an empty string, which is invalid too.
pub(crate) fn encode_id(id: &(impl Id + ?Sized), to: &mut Vec<u8>) {
    write_or_empty(to, |to| id.visit(&mut |text| write_text(text, to)));
}

/// Writes one ID or a list of IDs.
pub(crate) fn encode_ids(ids: &(impl Ids + ?Sized), to: &mut Vec<u8>) {
    write_or_empty(to, |to| {
        if ids.list_len().is_none() {
            return ids.visit_each(&mut |text| write_text(text, to));
        }
        let start = to.len();
        to.push(b'[');
        ids.visit_each(&mut |text| {
            if to.len() > start + 1 {
                to.push(b',');
            }
            write_text(text, to);
        });
        to.push(b']');
    });
}

/// Keeps what `write` writes, or an empty string if `write` panics.
fn write_or_empty(to: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    if catch_unwind(AssertUnwindSafe(|| write(to))).is_err() {
        to.truncate(start);
        write_text("", to);
    }
}

//! Amounts as callers pass them: integers and floats.

use std::num::NonZero;

use serde_json::Number;

use crate::call::json::MAX_EXACT_INTEGER;

/// Amount by which a number changes: an integer or a float, by value or by reference.
///
/// Integers beyond ±2^53 are rounded: JavaScript rounds them too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an amount",
    label = "neither an integer nor a float",
    note = "an amount is an integer or a float; convert a decimal first, such as with `to_f64()`"
)]
pub trait Amount: sealed::Sealed {
    /// Returns the number; `None` if it is infinite or not a number.
    fn number(&self) -> Option<Number>;
}

/// Supertrait that only this crate can implement.
pub mod sealed {
    /// Type that is an [`Amount`](super::Amount).
    pub trait Sealed {}
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl sealed::Sealed for $integer {}
        impl sealed::Sealed for NonZero<$integer> {}

        impl Amount for $integer {
            fn number(&self) -> Option<Number> {
                match i64::try_from(*self) {
                    Ok(number) if number.unsigned_abs() <= MAX_EXACT_INTEGER => Some(number.into()),
                    #[allow(
                        clippy::cast_precision_loss,
                        clippy::cast_lossless,
                        reason = "JavaScript rounds in the same way"
                    )]
                    _ => Number::from_f64(*self as f64),
                }
            }
        }

        impl Amount for NonZero<$integer> {
            fn number(&self) -> Option<Number> {
                self.get().number()
            }
        }
    )*};
}

integers!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

impl sealed::Sealed for f64 {}
impl sealed::Sealed for f32 {}

impl Amount for f64 {
    fn number(&self) -> Option<Number> {
        Number::from_f64(*self)
    }
}

impl Amount for f32 {
    fn number(&self) -> Option<Number> {
        Number::from_f64(f64::from(*self))
    }
}

impl<T: Amount + ?Sized> sealed::Sealed for &T {}
impl<T: Amount + ?Sized> sealed::Sealed for &mut T {}

impl<T: Amount + ?Sized> Amount for &T {
    fn number(&self) -> Option<Number> {
        (**self).number()
    }
}

impl<T: Amount + ?Sized> Amount for &mut T {
    fn number(&self) -> Option<Number> {
        (**self).number()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_become_json_numbers_rounded_as_in_javascript() {
        let json = |amount: &dyn Amount| amount.number().map_or(json!(null), Into::into);
        assert_eq!(json(&1), json!(1));
        assert_eq!(json(&&-1_i8), json!(-1));
        assert_eq!(json(&&mut 1.5), json!(1.5));
        assert_eq!(json(&0.5_f32), json!(0.5));
        assert_eq!(json(&(1_u64 << 53)), json!(9_007_199_254_740_992_u64));
        assert_eq!(json(&u64::MAX), json!(18_446_744_073_709_551_615.0));
        assert_eq!(json(&i128::MIN), json!(-1.701_411_834_604_692_3e38));
        assert_eq!(json(&NonZero::<u8>::MAX), json!(255));
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(json(&number), json!(null));
        }
    }
}

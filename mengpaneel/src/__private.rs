//! Items that the expansion of the attributes uses; not a public API.

pub use crate::call::{Method, Mode};
pub use crate::record::attribute::*;
pub use crate::record::mixpanel::sealed;
pub use crate::record::plan::{
    AnnotationSite, Argument, CallSpec, Kind, LabelText, Property, Registered, Route, Trigger,
    Value,
};
pub use crate::{
    __classify_outcome as classify_outcome, __finished as finished,
    __finished_opaque as finished_opaque, __passes_on as passes_on, __register as register,
};
#[cfg(feature = "plan")]
pub use inventory;
pub use mengpaneel_macros::attributes;

/// Ends a frame with the function's return value, and returns that value.
#[doc(hidden)]
#[macro_export]
macro_rules! __finished {
    ($frame:ident, $returned:ident: $ty:ty) => {{
        use $crate::__private::finish::{
            AsFuture as _, AsOtherFuture as _, AsResponse as _, AsTask as _, AsValue as _,
        };
        // With the declared type, a value of another type causes one compiler error only.
        (&&&&&$crate::__private::outcome::TypeProbe::<$ty>::of(&$returned)).finish(
            $frame,
            $returned,
            |returned| $crate::__private::classify_outcome!(returned),
        )
    }};
}

/// Ends a frame if the signature hides the type: another future may replace the returned one.
#[doc(hidden)]
#[macro_export]
macro_rules! __finished_opaque {
    ($frame:ident, $returned:ident) => {{
        use $crate::__private::finish::{
            AsBoxed as _, AsOpaque as _, AsResponse as _, AsTask as _, AsValue as _,
        };
        (&&&&&$crate::__private::outcome::TypeProbe::of(&$returned)).finish(
            $frame,
            $returned,
            |returned| $crate::__private::classify_outcome!(returned),
        )
    }};
}

/// Returns whether a value is the request of a middleware, which may pass it to the rest of the
/// chain.
#[doc(hidden)]
#[macro_export]
macro_rules! __passes_on {
    ($value:expr) => {{
        use $crate::__private::outcome::{DoesNotPassOn as _, PassesOn as _};
        (&&$crate::__private::outcome::TypeProbe::of($value)).passes_on()
    }};
}

/// Classifies the outcome of a function by its return value.
#[doc(hidden)]
#[macro_export]
macro_rules! __classify_outcome {
    ($returned:expr) => {{
        use $crate::__private::outcome::ClassifyOutcome as _;
        (&&&&&&&$crate::__private::outcome::TypeProbe::of($returned)).outcome($returned)
    }};
}

/// Registers a function for the plan.
#[cfg(feature = "plan")]
#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($site:ident) => {
        $crate::__private::inventory::submit! { $crate::__private::Registered(&$site) }
    };
}

/// Registers nothing.
#[cfg(not(feature = "plan"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __register {
    ($site:ident) => {};
}

//! Feature `tracking` of this crate.

/// True if the generated code records anything.
///
/// Without the feature, the names in the arguments are used in branches that never run. So the
/// compiler does not report them as unused.
pub(super) const IS_TRACKING: bool = cfg!(feature = "tracking");

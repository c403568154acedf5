//! Feature `tracking` of this crate.

/// True if the generated code records anything.
///
/// Without the feature, attributes only use the names in their arguments, in branches that never
/// run, so that the compiler does not call these names unused.
pub(super) const IS_TRACKING: bool = cfg!(feature = "tracking");

//! Recording of calls in one request or job, by hand or by attributes. No HTTP and no I/O.

pub(crate) mod attribute;
pub(crate) mod consent;
pub(crate) mod current;
pub(crate) mod envelope;
pub(crate) mod mixpanel;
pub(crate) mod plan;
pub(crate) mod recorder;
pub(crate) mod scope_registry;
pub(crate) mod strategy;
pub(crate) mod visitor;

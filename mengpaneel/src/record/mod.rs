//! Recording of calls in one request or job, by hand or by attributes. No I/O; of Actix only types
//! that annotated functions return.

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

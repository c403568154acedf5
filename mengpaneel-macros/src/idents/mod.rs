//! Identifiers: the free names of an expression, the names that a pattern binds, and the names in
//! tokens that are not parsed.

mod format;
mod free;
mod macros;
mod pattern;
mod scan;
#[cfg(test)]
mod tests;
mod unraw;
mod used;

pub(crate) use free::FreeIdents;
pub(crate) use macros::is_well_known;
pub(crate) use pattern::{collect_bound, for_each_binding};
pub(crate) use scan::TokenScan;
pub(crate) use unraw::unraw_name;
pub(crate) use used::{UsedIdent, UsedIdents};

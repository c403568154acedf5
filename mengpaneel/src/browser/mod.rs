//! Snippet that a page carries, and its insertion point. The only Actix types in use are headers
//! and byte buffers.

pub(crate) mod charset;
pub(crate) mod csp;
pub(crate) mod inject;
pub(crate) mod policies;
pub(crate) mod setup_cache;
pub(crate) mod snippet;
mod tokens;

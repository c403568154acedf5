//! The browser's side: what is written into a page, and where.

pub(crate) mod charset;
pub(crate) mod csp;
pub(crate) mod inject;
pub(crate) mod policies;
pub(crate) mod setup_cache;
pub(crate) mod snippet;
mod tokens;

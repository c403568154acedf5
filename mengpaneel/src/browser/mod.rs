//! The browser's side: what is written into a page, and where.

pub mod inject;
mod tokens;

//! Guide: one page per task.

#[doc = include_str!("actix.md")]
pub mod actix {}

#[doc = include_str!("macros.md")]
pub mod macros {}

#[doc = include_str!("identity.md")]
pub mod identity {}

#[doc = include_str!("ajax.md")]
pub mod ajax {}

#[doc = include_str!("jobs.md")]
pub mod jobs {}

#[doc = include_str!("outboxes.md")]
pub mod outboxes {}

#[doc = include_str!("operation.md")]
pub mod operation {}

#[doc = include_str!("translation.md")]
pub mod translation {}

#[doc = include_str!("privacy.md")]
pub mod privacy {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}

//! Outboxes by URL, for programs that are told by their environment.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::outbox::{
    Appended, Aside, Declined, Lease, LeaseId, Memory, Outbox, OutboxError, Taken,
};
use crate::record::envelope::{Parcel, View};

/// The outbox that a URL names: `memory`; `file:PATH` (feature `file`); `redis://…`, `rediss://…`
/// and their `+cluster` forms (feature `redis`); `sidekiq+redis://…` (feature `sidekiq`).
///
/// # Errors
/// Where it names none that this program was built with.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = mengpaneel::outbox::at("memory")?;
/// let mengpaneel = mengpaneel::Mengpaneel::builder("token").outbox(outbox).build()?;
/// # let _ = mengpaneel;
/// # Ok(())
/// # }
/// ```
pub fn at(url: &str) -> Result<Box<dyn Outbox>, OutboxError> {
    if url == "memory" {
        return Ok(Box::new(Memory::default()));
    }
    #[cfg(feature = "file")]
    if let Some(path) = url.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return Ok(Box::new(super::File::at(path)));
    }
    #[cfg(feature = "redis")]
    if url.starts_with("redis") && url.contains("://") {
        return Ok(Box::new(super::Redis::at(url)));
    }
    #[cfg(feature = "sidekiq")]
    if let Some(url) = url
        .strip_prefix("sidekiq+")
        .filter(|url| url.starts_with("redis"))
    {
        return Ok(Box::new(super::Sidekiq::at(url)));
    }
    let known = [
        Some("memory"),
        cfg!(feature = "file").then_some("file:PATH"),
        cfg!(feature = "redis").then_some("redis://HOST"),
        cfg!(feature = "sidekiq").then_some("sidekiq+redis://HOST"),
    ];
    let known: Vec<_> = known.into_iter().flatten().collect();
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    Err(OutboxError(format!(
        "{scheme:?} names no outbox of this program, which has {}",
        known.join(", ")
    )))
}

macro_rules! delegate {
    ($pointer:ident) => {
        impl<O: Outbox + ?Sized> Outbox for $pointer<O> {
            fn open(&self) -> Result<(), OutboxError> {
                (**self).open()
            }

            fn is_durable(&self) -> bool {
                (**self).is_durable()
            }

            fn description(&self) -> String {
                (**self).description()
            }

            fn is_translated_here(&self) -> bool {
                (**self).is_translated_here()
            }

            fn append(&self, parcel: Parcel) -> BoxFuture<'_, Result<(), Declined>> {
                (**self).append(parcel)
            }

            fn append_now(&self, parcel: View<'_>) -> Appended {
                (**self).append_now(parcel)
            }

            fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
                (**self).lease(limit)
            }

            fn lease_sealed(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Taken>, OutboxError>> {
                (**self).lease_sealed(limit)
            }

            fn mark_sending<'a>(
                &'a self,
                leases: &'a [Lease],
            ) -> BoxFuture<'a, Result<(), OutboxError>> {
                (**self).mark_sending(leases)
            }

            fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>> {
                (**self).acknowledge(ids)
            }

            fn acknowledge_taken<'a>(
                &'a self,
                taken: &'a [Taken],
            ) -> BoxFuture<'a, Result<(), OutboxError>> {
                (**self).acknowledge_taken(taken)
            }

            fn take_back(&self, taken: Vec<Taken>) {
                (**self).take_back(taken);
            }

            fn retry_later(
                &self,
                leases: Vec<Lease>,
                delay: Duration,
            ) -> BoxFuture<'_, Result<(), OutboxError>> {
                (**self).retry_later(leases, delay)
            }

            fn bury(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
                (**self).bury(leases)
            }

            fn buried(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
                (**self).buried(limit)
            }

            fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
                (**self).requeue(limit)
            }

            fn keep_aside(
                &self,
                parcel: Parcel,
                after: Duration,
            ) -> BoxFuture<'_, Result<(), Declined>> {
                (**self).keep_aside(parcel, after)
            }

            fn claim(&self, id: Uuid) -> BoxFuture<'_, Result<Aside, OutboxError>> {
                (**self).claim(id)
            }

            fn settle(&self, id: Uuid, is_said: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
                (**self).settle(id, is_said)
            }

            fn waiting(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
                (**self).waiting()
            }
        }
    };
}

delegate!(Box);
delegate!(Arc);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_told_with_what_is_known_and_nothing_secret() {
        let error = at("kafka://user:secret@host").err().unwrap().to_string();
        assert!(
            error.contains("\"kafka\" names no outbox") && error.contains("memory"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}

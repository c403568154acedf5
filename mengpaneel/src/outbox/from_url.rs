//! Outboxes from URLs, for programs that are configured by environment variables.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::outbox::{
    AppendError, ClaimResult, Lease, LeaseId, LeasedRecord, Memory, Outbox, OutboxError, TryAppend,
};
use crate::record::envelope::{Envelope, EnvelopeRef};

/// Creates the outbox that a URL names: `memory`; `file:PATH` (feature `file`); `redis://…`,
/// `rediss://…` and their `+cluster` forms (feature `redis`); `sidekiq+redis://…` (feature
/// `sidekiq`).
///
/// # Errors
/// The URL names no outbox that this program was built with.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let outbox = mengpaneel::outbox::from_url("memory")?;
/// let mengpaneel = mengpaneel::Mengpaneel::builder("token").outbox(outbox).build()?;
/// # let _ = mengpaneel;
/// # Ok(())
/// # }
/// ```
pub fn from_url(url: &str) -> Result<Box<dyn Outbox>, OutboxError> {
    if url == "memory" {
        return Ok(Box::new(Memory::default()));
    }
    #[cfg(feature = "file")]
    if let Some(path) = url.strip_prefix("file:").filter(|path| !path.is_empty()) {
        return Ok(Box::new(crate::outbox::File::new(path)));
    }
    #[cfg(feature = "redis")]
    if url.starts_with("redis") && url.contains("://") {
        return Ok(Box::new(crate::outbox::Redis::new(url)));
    }
    #[cfg(feature = "sidekiq")]
    if let Some(url) = url
        .strip_prefix("sidekiq+")
        .filter(|url| url.starts_with("redis"))
    {
        return Ok(Box::new(crate::outbox::Sidekiq::new(url)));
    }
    let supported = [
        Some("memory"),
        cfg!(feature = "file").then_some("file:PATH"),
        cfg!(feature = "redis").then_some("redis://HOST"),
        cfg!(feature = "sidekiq").then_some("sidekiq+redis://HOST"),
    ];
    let supported: Vec<_> = supported.into_iter().flatten().collect();
    let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
    Err(OutboxError(format!(
        "{scheme:?} names no outbox that this program supports; supported: {}",
        supported.join(", ")
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

            fn append(&self, envelope: Envelope) -> BoxFuture<'_, Result<(), AppendError>> {
                (**self).append(envelope)
            }

            fn try_append(&self, envelope: EnvelopeRef<'_>) -> TryAppend {
                (**self).try_append(envelope)
            }

            fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
                (**self).lease(limit)
            }

            fn lease_records(
                &self,
                limit: usize,
            ) -> BoxFuture<'_, Result<Vec<LeasedRecord>, OutboxError>> {
                (**self).lease_records(limit)
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

            fn acknowledge_records<'a>(
                &'a self,
                records: &'a [LeasedRecord],
            ) -> BoxFuture<'a, Result<(), OutboxError>> {
                (**self).acknowledge_records(records)
            }

            fn recycle(&self, records: Vec<LeasedRecord>) {
                (**self).recycle(records);
            }

            fn retry_later(
                &self,
                leases: Vec<Lease>,
                delay: Duration,
            ) -> BoxFuture<'_, Result<(), OutboxError>> {
                (**self).retry_later(leases, delay)
            }

            fn dead_letter(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
                (**self).dead_letter(leases)
            }

            fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
                (**self).dead_letters(limit)
            }

            fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
                (**self).requeue(limit)
            }

            fn schedule_fallback(
                &self,
                envelope: Envelope,
                after: Duration,
            ) -> BoxFuture<'_, Result<(), AppendError>> {
                (**self).schedule_fallback(envelope, after)
            }

            fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
                (**self).claim_fallback(id)
            }

            fn finish_fallback(
                &self,
                id: Uuid,
                is_sent: bool,
            ) -> BoxFuture<'_, Result<(), OutboxError>> {
                (**self).finish_fallback(id, is_sent)
            }

            fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
                (**self).pending()
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
    fn unknown_scheme_is_reported_with_alternatives_but_no_secret() {
        let error = from_url("kafka://user:secret@host")
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("\"kafka\" names no outbox") && error.contains("memory"),
            "{error}"
        );
        assert!(!error.contains("secret"), "{error}");
    }
}

//! Engine on a Redis stream: the outbox of many machines.

pub(crate) mod handle;
mod outbox;

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use crate::error::log_text::redacted_url;
use crate::outbox::redis::engine::handle::RedisHandle;

/// Outbox in Redis: many processes append records, and many deliver them.
///
/// Records are entries of a stream, and workers are consumers of one group. Records that a worker
/// had leased when it died are claimed by another one.
///
/// No record is trimmed before it was delivered. If the outbox is full or Redis is unreachable, an
/// append is declined, and the next strategy gets the calls.
///
/// A single worker with one batch at a time delivers records in the order of their appends. Retries
/// and the batches of several workers arrive in any order.
///
/// Needs Redis 6.2 or later, and a Redis that does not evict keys (`maxmemory-policy noeviction`).
///
/// ```
/// use mengpaneel::outbox::Redis;
///
/// let outbox = Redis::new("redis://127.0.0.1/").max_records(1_000_000);
/// # let _ = outbox;
/// ```
pub struct Redis {
    url: String,
    key: String,
    max_records: u64,
    claim_after: Duration,
    roots: Option<Vec<u8>>,
    handle: OnceLock<RedisHandle>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("server", &redacted_url(&self.url))
            .field("key", &self.key)
            .field("max_records", &self.max_records)
            .field("claim_after", &self.claim_after)
            .finish_non_exhaustive()
    }
}

impl Redis {
    /// Creates an outbox for up to one million records.
    ///
    /// The URL is `redis://`, `rediss://` (TLS), `redis+cluster://` or `rediss+cluster://`, then
    /// `user:password@host:port/database`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            key: "mengpaneel".to_owned(),
            max_records: 1_000_000,
            claim_after: Duration::from_secs(60),
            roots: None,
            handle: OnceLock::new(),
        }
    }

    /// Sets the prefix of the keys, for a second outbox in one Redis. Default: `mengpaneel`.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            ..self
        }
    }

    /// Sets the maximum number of pending records. One record holds the calls of one request.
    #[must_use]
    pub fn max_records(self, max_records: u64) -> Self {
        Self {
            max_records,
            ..self
        }
    }

    /// Sets the time after which another worker claims a leased record. Default: one minute.
    ///
    /// The time must be longer than a delivery takes.
    #[must_use]
    pub fn claim_after(self, claim_after: Duration) -> Self {
        Self {
            claim_after,
            ..self
        }
    }

    /// Sets the root certificates (PEM, one or several) for `rediss://`, such as those of a private
    /// CA.
    ///
    /// Default: the certificates that the system trusts, or those in the file `SSL_CERT_FILE`.
    #[must_use]
    pub fn root_certificates(self, pem: impl Into<Vec<u8>>) -> Self {
        Self {
            roots: Some(pem.into()),
            ..self
        }
    }
}

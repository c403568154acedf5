//! Outbox that encrypts the records in another one.

use std::time::Duration;

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, Key, KeyInit as _};
use futures_util::future::{BoxFuture, FutureExt as _};
use mengpaneel::outbox::{
    AppendError, ClaimResult, Consumer, Lease, Outbox, OutboxError, Record, RecordRef,
    TryAppendError,
};
use uuid::Uuid;

/// Length of a nonce in bytes. It precedes the encrypted payload.
const NONCE_LEN: usize = 12;

/// Outbox that encrypts the payload of each record, and authenticates the record's ID.
pub(crate) struct Encrypted<O> {
    inner: O,
    cipher: Aes256Gcm,
}

impl<O: Outbox> Encrypted<O> {
    pub(crate) fn new(inner: O, key: [u8; 32]) -> Self {
        Self {
            inner,
            cipher: Aes256Gcm::new(&Key::<Aes256Gcm>::from(key)),
        }
    }

    fn encrypt(&self, record: &Record) -> Result<Record, String> {
        let random = Uuid::new_v4().into_bytes();
        let nonce = &random[..NONCE_LEN];
        let id = record.id();
        let payload = Payload {
            msg: record.payload(),
            aad: id.as_bytes(),
        };
        match self.cipher.encrypt(nonce.into(), payload) {
            Ok(encrypted) => Ok(record.with_payload(&[nonce, &encrypted].concat())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Decrypts a record. One that was not encrypted by this key is returned as it is: it cannot be
    /// decoded, and becomes a dead letter.
    fn decrypt(&self, record: &Record) -> Record {
        let decrypted = record
            .payload()
            .split_at_checked(NONCE_LEN)
            .and_then(|(nonce, msg)| {
                let id = record.id();
                let payload = Payload {
                    msg,
                    aad: id.as_bytes(),
                };
                self.cipher.decrypt(nonce.into(), payload).ok()
            });
        match decrypted {
            Some(payload) => record.with_payload(&payload),
            None => record.with_payload(record.payload()),
        }
    }

    /// Encrypts the current state of leased records, except those that could not be decrypted.
    fn encrypt_leases(&self, leases: &[Lease]) -> Result<Vec<Lease>, OutboxError> {
        let encrypt = |lease: &Lease| {
            let mut lease = lease.clone();
            if lease.record.envelope().is_ok() {
                lease.record = self.encrypt(&lease.record).map_err(OutboxError)?;
            }
            Ok(lease)
        };
        leases.iter().map(encrypt).collect()
    }

    /// Consumer of the wrapped outbox. An outbox without one has no worker, which would call it.
    fn delegate(&self) -> &dyn Consumer {
        self.inner.consumer().expect("an outbox with a consumer")
    }
}

impl<O: Outbox> Outbox for Encrypted<O> {
    fn open(&self) -> Result<(), OutboxError> {
        self.inner.open()
    }

    fn is_durable(&self) -> bool {
        self.inner.is_durable()
    }

    fn description(&self) -> String {
        format!("{}, encrypted", self.inner.description())
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            let encrypted = match self.encrypt(&record) {
                Ok(encrypted) => encrypted,
                Err(reason) => return Err(AppendError::new(record, reason)),
            };
            let appended = self.inner.append(encrypted).await;
            appended.map_err(|error| AppendError::new(record, error.reason))
        }
        .boxed()
    }

    fn try_append(&self, record: RecordRef<'_>) -> Result<(), TryAppendError> {
        let encrypted = self
            .encrypt(&record.to_record())
            .map_err(TryAppendError::Declined)?;
        self.inner.try_append(RecordRef::from(&encrypted))
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.inner.pending()
    }

    fn consumer(&self) -> Option<&dyn Consumer> {
        self.inner.consumer().map(|_| self as &dyn Consumer)
    }

    fn run_in_background(&self) -> BoxFuture<'_, ()> {
        self.inner.run_in_background()
    }

    fn schedule_fallback(
        &self,
        record: Record,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            let encrypted = match self.encrypt(&record) {
                Ok(encrypted) => encrypted,
                Err(reason) => return Err(AppendError::new(record, reason)),
            };
            let Err(error) = self.inner.schedule_fallback(encrypted.clone(), after).await else {
                return Ok(());
            };
            // Another record shows that the outcome is unknown.
            let record = if error.record.payload() == encrypted.payload() {
                record
            } else {
                record.deduplicable().unwrap_or(error.record)
            };
            Err(AppendError::new(record, error.reason))
        }
        .boxed()
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        self.inner.claim_fallback(id)
    }

    fn finish_fallback(&self, id: Uuid, is_sent: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.inner.finish_fallback(id, is_sent)
    }
}

impl<O: Outbox> Consumer for Encrypted<O> {
    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        async move {
            let mut leases = self.delegate().lease(limit).await?;
            for lease in &mut leases {
                lease.record = self.decrypt(&lease.record);
            }
            Ok(leases)
        }
        .boxed()
    }

    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.delegate().mark_sending(leases)
    }

    fn acknowledge<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        self.delegate().acknowledge(leases)
    }

    fn retry_later<'a>(
        &'a self,
        leases: &'a [Lease],
        delay: Duration,
    ) -> BoxFuture<'a, Result<(), OutboxError>> {
        async move {
            let encrypted = self.encrypt_leases(leases)?;
            self.delegate().retry_later(&encrypted, delay).await
        }
        .boxed()
    }

    fn dead_letter<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        async move {
            let encrypted = self.encrypt_leases(leases)?;
            self.delegate().dead_letter(&encrypted).await
        }
        .boxed()
    }

    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Record>, OutboxError>> {
        async move {
            let records = self.delegate().dead_letters(limit).await?;
            Ok(records
                .into_iter()
                .map(|record| self.decrypt(&record))
                .collect())
        }
        .boxed()
    }

    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.delegate().requeue(limit)
    }
}

//! The outbox in Redis: for many machines.

use std::fmt;
use std::future::{Future, ready};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, TryFutureExt as _};
use redis::cmd;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Semaphore, mpsc, oneshot};
use uuid::Uuid;

use crate::call::Calls;
use crate::error::log_text::redacted_url;
use crate::id::now_ms;
use crate::outbox::redis::connection::{QueryError, RedisAddr, RedisConnection};
use crate::outbox::redis::keys::Keys;
use crate::outbox::redis::reader::{MAX_DEAD_LETTERS, Reader};
use crate::outbox::redis::scripts::{ACKNOWLEDGE, DEAD_LETTER, LuaScript, MAX_PER_CALL, RETRY};
use crate::outbox::redis::writer::{Append, Writer};
use crate::outbox::redis::{dead_letters, fallback};
use crate::outbox::{
    AppendError, ClaimResult, Lease, LeaseId, LeasedRecord, Outbox, OutboxError, record,
};
use crate::record::envelope::Envelope;

/// As many parcels may be on their way to Redis at once.
const MAX_PENDING: usize = 10_000;

/// How long Redis may take for an answer.
pub(crate) const QUERY_TIMEOUT: Duration = Duration::from_secs(1);

/// An outbox in Redis: many processes fill it, and many drain it.
///
/// Records stand in a stream, and workers are consumers of one group: what one of them had in hand
/// when it died is claimed by another. Nothing is trimmed before it was delivered: where as many
/// records wait as may, or Redis is away, an append is declined, and the next strategy takes the
/// calls. With one worker and one batch at a time records are delivered in the order in which they
/// came; what is tried again, and what several workers deliver, comes in any order.
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

/// What is there once it is open.
struct RedisHandle {
    appends: mpsc::UnboundedSender<Append>,
    permits: Semaphore,
    reader: Arc<Reader>,
    runtime: Handle,
    /// Ends the thread when it is dropped.
    _end: oneshot::Sender<()>,
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
    /// An outbox in this Redis: `redis://`, `rediss://` (TLS), `redis+cluster://` or
    /// `rediss+cluster://`, then `user:password@host:port/database`. One million records may wait.
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

    /// What the names of its keys begin with, for a second outbox in one Redis. Default:
    /// `mengpaneel`.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            ..self
        }
    }

    /// How many records may wait: one is what one request recorded.
    #[must_use]
    pub fn max_records(self, max_records: u64) -> Self {
        Self {
            max_records,
            ..self
        }
    }

    /// After which time another worker takes what one has in hand. Longer than a delivery takes.
    /// Default: one minute.
    #[must_use]
    pub fn claim_after(self, claim_after: Duration) -> Self {
        Self {
            claim_after,
            ..self
        }
    }

    /// By which certificates (PEM, one or several) a `rediss://` server is to be known: a private
    /// CA's. Default: those that the system trusts, or those that `SSL_CERT_FILE` names.
    #[must_use]
    pub fn root_certificates(self, pem: impl Into<Vec<u8>>) -> Self {
        Self {
            roots: Some(pem.into()),
            ..self
        }
    }

    fn handle(&self) -> Result<&RedisHandle, OutboxError> {
        self.handle.get().ok_or_else(|| {
            OutboxError(format!(
                "{} was not opened: call `open` first",
                self.description()
            ))
        })
    }

    fn ended(&self) -> OutboxError {
        OutboxError(format!(
            "the thread that has the connections to {} has ended",
            self.description()
        ))
    }

    /// Does something on the thread that has the connections.
    fn work<T, F>(
        &self,
        work: impl FnOnce(Arc<Reader>) -> F,
    ) -> BoxFuture<'_, Result<T, OutboxError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QueryError>> + Send + 'static,
    {
        let desk = match self.handle() {
            Ok(desk) => desk,
            Err(error) => return ready(Err(error)).boxed(),
        };
        let working = desk.runtime.spawn(work(Arc::clone(&desk.reader)));
        working
            .map(|done| Ok(done.map_err(|_| self.ended())??))
            .boxed()
    }

    /// Gives records back by a script, as they are now.
    fn run_return_script(
        &self,
        leases: &[Lease],
        script: &'static LuaScript,
        third_key: fn(&Keys) -> &str,
        argument: Vec<u8>,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        let written = leases.iter().map(|lease| {
            Ok([
                lease.id.0.clone().into_bytes(),
                record::encode_lease(lease)?,
            ])
        });
        let written: Result<Vec<_>, serde_json::Error> = written.collect();
        let written = match written {
            Ok(written) => written,
            Err(error) => return ready(Err(OutboxError(error.to_string()))).boxed(),
        };
        self.work(async move |reader| {
            let keys = reader.keys();
            for some in written.chunks(MAX_PER_CALL) {
                let mut args = vec![keys.group.as_bytes(), argument.as_slice()];
                args.extend(some.iter().flatten().map(Vec::as_slice));
                let names = [keys.stream.as_str(), &keys.sending, third_key(keys)];
                let _: usize = script.run(reader.connection(), &names, &args).await?;
            }
            Ok(())
        })
    }
}

impl RedisHandle {
    fn open(redis: &Redis) -> Result<Self, OutboxError> {
        let server = RedisAddr::parse(&redis.url, QUERY_TIMEOUT, redis.roots.as_deref())?;
        let failed = |error: std::io::Error| {
            OutboxError(format!(
                "the thread for {} cannot start: {error}",
                redis.description()
            ))
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let keys = Arc::new(Keys::new(&redis.key));
        let link = Arc::new(RedisConnection::new(server, QUERY_TIMEOUT));
        let (appends, appended) = mpsc::unbounded_channel();
        let writer = Writer::new(
            Arc::clone(&link),
            Arc::clone(&keys),
            appended,
            redis.max_records,
        );
        let consumer = format!("{}-{}", std::process::id(), Uuid::new_v4());
        let waiting = link.duplicate();
        let reader = Arc::new(Reader::new(
            link,
            waiting,
            keys,
            consumer,
            redis.claim_after,
        ));
        let (end, ended) = oneshot::channel::<()>();
        let serve = move || {
            runtime.block_on(async {
                // It ends when nobody can append any more.
                let appending = tokio::spawn(writer.run());
                drop(ended.await);
                drop(appending.await);
            });
        };
        thread::Builder::new()
            .name("mengpaneel-redis".into())
            .spawn(serve)
            .map_err(failed)?;
        Ok(Self {
            appends,
            permits: Semaphore::new(MAX_PENDING),
            reader,
            runtime: handle,
            _end: end,
        })
    }
}

impl Outbox for Redis {
    fn open(&self) -> Result<(), OutboxError> {
        if self.handle.get().is_none() {
            drop(self.handle.set(RedisHandle::open(self)?));
        }
        Ok(())
    }

    fn description(&self) -> String {
        match self.handle.get() {
            Some(desk) => format!("Redis at {}", desk.reader.connection().address()),
            None => format!("Redis at {}", redacted_url(&self.url)),
        }
    }

    fn append(&self, parcel: Envelope) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            match self.try_append(&parcel).await {
                Ok(()) => Ok(()),
                Err(reason) => Err(AppendError {
                    envelope: Box::new(parcel),
                    reason,
                }),
            }
        }
        .boxed()
    }

    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        self.lease_records(limit)
            .map_ok(LeasedRecord::into_leases)
            .boxed()
    }

    fn lease_records(&self, limit: usize) -> BoxFuture<'_, Result<Vec<LeasedRecord>, OutboxError>> {
        let desk = match self.handle() {
            Ok(desk) => desk,
            Err(error) => return ready(Err(error)).boxed(),
        };
        let (answer, answered) = oneshot::channel();
        let reader = Arc::clone(&desk.reader);
        desk.runtime
            .spawn(async move { reader.lease(limit, answer).await });
        let mut leasing = LeaseGuard {
            reader: &desk.reader,
            answered,
        };
        async move {
            (&mut leasing.answered)
                .await
                .unwrap_or_else(|_| Err(self.ended()))
        }
        .boxed()
    }

    fn mark_sending<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        let ids: Vec<String> = leases.iter().map(|lease| lease.id.0.clone()).collect();
        self.work(async move |reader| {
            for some in ids.chunks(MAX_PER_CALL) {
                let mut mark = cmd("HSET");
                mark.arg(&reader.keys().sending);
                for id in some {
                    mark.arg(id).arg(1);
                }
                reader.query::<()>(&mark).await?;
            }
            Ok(())
        })
    }

    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.work(async move |reader| {
            let keys = reader.keys();
            for some in ids.chunks(MAX_PER_CALL) {
                let mut args = vec![keys.group.as_bytes()];
                args.extend(some.iter().map(|id| id.0.as_bytes()));
                let _: usize = ACKNOWLEDGE
                    .run(reader.connection(), &[&keys.stream, &keys.sending], &args)
                    .await?;
            }
            Ok(())
        })
    }

    fn retry_later(
        &self,
        leases: Vec<Lease>,
        delay: Duration,
    ) -> BoxFuture<'_, Result<(), OutboxError>> {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        let due = if delay == 0 {
            0
        } else {
            now_ms().saturating_add(delay)
        };
        self.run_return_script(
            &leases,
            &RETRY,
            |keys| &keys.scheduled,
            due.to_string().into_bytes(),
        )
    }

    fn dead_letter(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.run_return_script(
            &leases,
            &DEAD_LETTER,
            |keys| &keys.dead_letters,
            MAX_DEAD_LETTERS.to_vec(),
        )
    }

    fn dead_letters(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        self.work(async move |reader| {
            dead_letters::list(reader.connection(), reader.keys(), limit).await
        })
    }

    fn requeue(&self, limit: usize) -> BoxFuture<'_, Result<usize, OutboxError>> {
        let bound = self.max_records;
        self.work(async move |reader| {
            dead_letters::requeue(reader.connection(), reader.keys(), limit, bound).await
        })
    }

    fn schedule_fallback(
        &self,
        parcel: Envelope,
        after: Duration,
    ) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            match self.try_schedule_fallback(&parcel, after).await {
                Ok(()) => Ok(()),
                Err((reason, is_known)) => {
                    // A second copy may only hold what Mixpanel tells from the first.
                    let nothing = Envelope {
                        calls: Calls::default(),
                        ..parcel.clone()
                    };
                    let parcel = if is_known {
                        parcel
                    } else {
                        parcel.retain_deduplicable().unwrap_or(nothing)
                    };
                    Err(AppendError {
                        envelope: Box::new(parcel),
                        reason,
                    })
                }
            }
        }
        .boxed()
    }

    fn claim_fallback(&self, id: Uuid) -> BoxFuture<'_, Result<ClaimResult, OutboxError>> {
        self.work(async move |reader| {
            fallback::claim(reader.connection(), &reader.keys().fallback, id).await
        })
    }

    fn finish_fallback(&self, id: Uuid, is_said: bool) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.work(async move |reader| {
            fallback::finish(reader.connection(), &reader.keys().fallback, id, is_said).await
        })
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        self.work(async move |reader| reader.count().await)
    }
}

impl Redis {
    /// Says why not, and whether it is known that no copy was kept.
    async fn try_schedule_fallback(
        &self,
        parcel: &Envelope,
        after: Duration,
    ) -> Result<(), (String, bool)> {
        let record: Arc<[u8]> = record::encode_envelope(parcel).into();
        let (id, bound) = (parcel.id, self.max_records);
        let mut tries = 0;
        loop {
            let record = Arc::clone(&record);
            let keep = async move |reader: Arc<Reader>| {
                Ok(fallback::store(
                    reader.connection(),
                    &reader.keys().fallback,
                    id,
                    after,
                    &record,
                    bound,
                )
                .await)
            };
            match self.work(keep).await.map_err(|error| (error.0, true))? {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    let reason = format!(
                        "as many copies are kept aside in {} as may ({bound})",
                        self.description()
                    );
                    return Err((reason, true));
                }
                // Asked again it does nothing new.
                Err(QueryError::Unknown(_)) if tries < 3 => tries += 1,
                Err(trouble) => {
                    let is_known = tries == 0 && !matches!(trouble, QueryError::Unknown(_));
                    return Err((trouble.to_string(), is_known));
                }
            }
        }
    }

    async fn try_append(&self, parcel: &Envelope) -> Result<(), String> {
        let desk = self.handle().map_err(|error| error.0)?;
        let record = record::encode_envelope(parcel);
        let is_delicate = parcel
            .calls
            .iter()
            .any(|call| !call.method().is_idempotent());
        let _permit = desk.permits.try_acquire().map_err(|_| {
            format!(
                "{MAX_PENDING} parcels are on their way to {} already",
                self.description()
            )
        })?;
        let (answer, answered) = oneshot::channel();
        desk.appends
            .send(Append {
                record,
                is_delicate,
                answer,
            })
            .map_err(|_| self.ended().0)?;
        answered.await.map_err(|_| self.ended().0)?
    }
}

/// Somebody who waits for records. If they go, what was handed to them meanwhile goes back.
struct LeaseGuard<'a> {
    reader: &'a Reader,
    answered: oneshot::Receiver<Result<Vec<LeasedRecord>, OutboxError>>,
}

impl Drop for LeaseGuard<'_> {
    fn drop(&mut self) {
        self.answered.close();
        if let Ok(Ok(leases)) = self.answered.try_recv() {
            self.reader.unlease(leases);
        }
    }
}

//! The outbox that is a Sidekiq queue: a Ruby fleet with the original gem delivers.

mod job;
#[cfg(all(test, feature = "redis"))]
mod tests;

use std::fmt;
use std::future::{pending, ready};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use redis::{Pipeline, RedisError};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::log_text::redacted_url;
use crate::id::now_ms;
use crate::outbox::redis::connection::{Intake, QueryError, RedisAddr, RedisConnection};
use crate::outbox::{AppendError, Lease, LeaseId, Outbox, OutboxError};
use crate::record::envelope::Envelope;
use crate::translate::translator::Translator;

/// How long Redis may take for an answer.
const QUERY_TIMEOUT: Duration = Duration::from_secs(1);

/// A queue of Sidekiq's, whose workers run the original gem: it takes what the gem itself would
/// have put there, and this process delivers nothing from it.
///
/// A set of calls is declined, and goes the next way, where the gem's worker would do something
/// else than this process: raise (methods that mixpanel-ruby lacks), pass over it (`alias`; calls
/// without any in tracking mode), count it again on a retry (`people.increment` and its kin), or
/// send what this process drops, cuts or reports (bots, placeholder IDs, profiles of the anonymous,
/// events older than four days, whatever is past a limit of Mixpanel's). What the worker cannot
/// know of the visitor is written into the events: `distinct_id`, `$device_id`, `$user_id`, and
/// `$identify` where somebody signed in. Browser, page and super properties of the visitor's cookie
/// are not sent, as the gem sends none.
///
/// [`before_send`](crate::Builder::before_send) cannot look at what another program translates:
/// with both, [`build`](crate::Builder::build) fails.
///
/// While Redis refuses jobs (`OOM`, `NOAUTH`, `READONLY` …) or is away, calls go the next way at
/// once; the log has one line when that begins and one when it is over.
///
/// ```
/// use mengpaneel::outbox::Sidekiq;
///
/// let outbox = Sidekiq::new("redis://127.0.0.1/").queue("analytics").namespace("shop");
/// # let _ = outbox;
/// ```
pub struct Sidekiq {
    url: String,
    queue: String,
    namespace: Option<String>,
    /// Translator that tells whether the worker would send the same. The token is the fleet's.
    interpreter: Translator,
    handle: OnceLock<SidekiqHandle>,
}

struct SidekiqHandle {
    link: Arc<RedisConnection>,
    intake: Arc<Intake>,
    runtime: Handle,
    /// Ends the thread when it is dropped.
    _end: oneshot::Sender<()>,
}

impl fmt::Debug for Sidekiq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sidekiq")
            .field("server", &redacted_url(&self.url))
            .field("queue", &self.queue)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Sidekiq {
    /// The queue `default` in this Redis.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            queue: "default".to_owned(),
            namespace: None,
            interpreter: Translator::new(String::new()),
            handle: OnceLock::new(),
        }
    }

    /// Another queue.
    #[must_use]
    pub fn queue(self, queue: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            ..self
        }
    }

    /// The namespace of the fleet, where it has one (`namespace: "app"` in its Redis configuration,
    /// by the gem redis-namespace): `app:` stands before all keys then. Default: none.
    #[must_use]
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        let namespace = Some(namespace.into()).filter(|namespace| !namespace.is_empty());
        Self { namespace, ..self }
    }

    fn key(&self, key: &str) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}:{key}"),
            None => key.to_owned(),
        }
    }

    async fn enqueue(&self, parcel: &Envelope) -> Result<(), String> {
        let desk = self
            .handle
            .get()
            .ok_or_else(|| format!("{} was not opened: call `open` first", self.description()))?;
        let job = job::job(parcel, &self.queue, now_ms(), &self.interpreter)?;
        if let Some(refusal) = desk.intake.refusal() {
            return Err(refusal.to_string());
        }
        // A transaction: a job is not pushed where its queue could not be named.
        let mut pipeline = redis::pipe();
        pipeline.atomic().ignore_errors();
        pipeline
            .cmd("SADD")
            .arg(self.key("queues"))
            .arg(&self.queue);
        pipeline
            .cmd("LPUSH")
            .arg(self.key(&format!("queue:{}", self.queue)))
            .arg(job);
        let (link, intake) = (Arc::clone(&desk.link), Arc::clone(&desk.intake));
        let pushed = desk
            .runtime
            .spawn(async move { push(&link, &intake, &pipeline).await });
        match pushed.await {
            Ok(pushed) => pushed.map_err(|trouble: QueryError| trouble.to_string()),
            Err(_) => Err(format!(
                "the thread that has the connection to {} has ended",
                self.description()
            )),
        }
    }
}

/// Names the queue and pushes the job.
async fn push(
    link: &RedisConnection,
    intake: &Intake,
    pipeline: &Pipeline,
) -> Result<(), QueryError> {
    let answers: Result<Vec<Result<redis::Value, RedisError>>, QueryError> =
        link.query_pipeline(pipeline).await;
    let answers =
        answers.inspect_err(|trouble| intake.note::<()>(&Err(trouble.clone()), link.address()))?;
    let refused = |error: &RedisError| QueryError::Refused(format!("{}: {error}", link.address()));
    let all = answers
        .iter()
        .try_for_each(|answer| answer.as_ref().map(drop).map_err(refused));
    intake.note(&all, link.address());
    // Where only the name was refused the job is there all the same: handed back, it would be
    // delivered twice.
    match answers.last() {
        Some(Ok(_)) => Ok(()),
        _ => all,
    }
}

impl Outbox for Sidekiq {
    fn open(&self) -> Result<(), OutboxError> {
        if self.handle.get().is_some() {
            return Ok(());
        }
        if self
            .url
            .split("://")
            .next()
            .is_some_and(|scheme| scheme.ends_with("+cluster"))
        {
            let url = redacted_url(&self.url);
            return Err(OutboxError(format!(
                "{url}: Sidekiq keeps no queues in a Redis Cluster: name its own Redis"
            )));
        }
        if self.queue.is_empty() {
            let url = redacted_url(&self.url);
            return Err(OutboxError(format!(
                "{url}: a queue of Sidekiq's needs a name, such as `default`"
            )));
        }
        let link = Arc::new(RedisConnection::new(
            RedisAddr::parse(&self.url, QUERY_TIMEOUT, None)?,
            QUERY_TIMEOUT,
        ));
        let failed = |error: std::io::Error| {
            OutboxError(format!(
                "the thread for {} cannot start: {error}",
                self.description()
            ))
        };
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let serve = move || drop(runtime.block_on(ended));
        thread::Builder::new()
            .name("mengpaneel-sidekiq".into())
            .spawn(serve)
            .map_err(failed)?;
        drop(self.handle.set(SidekiqHandle {
            link,
            intake: Arc::default(),
            runtime: handle,
            _end: end,
        }));
        Ok(())
    }

    fn description(&self) -> String {
        let address = match self.handle.get() {
            Some(desk) => desk.link.address().to_owned(),
            None => redacted_url(&self.url),
        };
        format!("the Sidekiq queue {:?} in Redis at {address}", self.queue)
    }

    fn is_translated_here(&self) -> bool {
        false
    }

    fn append(&self, parcel: Envelope) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            match self.enqueue(&parcel).await {
                Ok(()) => Ok(()),
                Err(reason) => Err(AppendError {
                    envelope: Box::new(parcel),
                    reason,
                }),
            }
        }
        .boxed()
    }

    /// Never: the fleet takes them.
    fn lease(&self, _: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        pending().boxed()
    }

    fn mark_sending<'a>(&'a self, _: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        ready(Ok(())).boxed()
    }

    fn acknowledge(&self, _: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>> {
        ready(Ok(())).boxed()
    }

    fn retry_later(&self, _: Vec<Lease>, _: Duration) -> BoxFuture<'_, Result<(), OutboxError>> {
        ready(Ok(())).boxed()
    }

    fn dead_letter(&self, _: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
        ready(Ok(())).boxed()
    }

    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        ready(Ok(0)).boxed()
    }
}

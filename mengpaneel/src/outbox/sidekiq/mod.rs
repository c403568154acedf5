//! Outbox that is a Sidekiq queue: Ruby workers with the original gem deliver the calls.

mod job;
#[cfg(all(test, feature = "redis"))]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use redis::{Pipeline, RedisError};

use crate::error::log_text::redacted_url;
use crate::id::now_ms;
use crate::outbox::redis::connection::thread::ConnectionThread;
use crate::outbox::redis::connection::{LastRefusal, QueryError, RedisConnection};
use crate::outbox::{AppendError, Outbox, OutboxError, Record};
use crate::record::envelope::Envelope;
use crate::translate::translator::Translator;

/// Sidekiq queue whose workers run the original gem. The jobs are those that the gem itself would
/// enqueue, and this process delivers none of them.
///
/// A set of calls is declined, and goes to the next strategy, if the gem's worker would differ from
/// this process:
///
/// * It would raise: mixpanel-ruby lacks the method.
/// * It would ignore calls: `alias`, or a set without a call in tracking mode.
/// * It would count calls again on a retry: `people.increment` and the like.
/// * It would send what this process drops, truncates or reports: bots, placeholder IDs, anonymous
///   profiles, events older than four days, values past Mixpanel's limits.
///
/// The worker does not know the visitor, so the events carry `distinct_id`, `$device_id` and
/// `$user_id`, and a sign-in adds `$identify`. Browser, page and super properties of the visitor's
/// cookie are not sent, because the gem sends none.
///
/// [`before_send`](crate::Builder::before_send) cannot be applied to messages that another program
/// translates: with both, [`build`](crate::Builder::build) fails.
///
/// While Redis refuses jobs (`OOM`, `NOAUTH`, `READONLY` …) or is unreachable, calls go to the next
/// strategy at once. The log has one line when that begins and one when it ends.
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
    /// Translator for the comparison with the gem's worker, which has the token.
    translator: Translator,
    handle: OnceLock<SidekiqHandle>,
}

/// State of an opened outbox.
struct SidekiqHandle {
    queue: Arc<JobQueue>,
    thread: ConnectionThread,
}

/// Connection to the Redis that receives the jobs.
struct JobQueue {
    connection: RedisConnection,
    last_refusal: LastRefusal,
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
    /// Creates an outbox for the queue `default`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            queue: "default".to_owned(),
            namespace: None,
            translator: Translator::new(String::new()),
            handle: OnceLock::new(),
        }
    }

    /// Sets the name of the queue. Default: `default`.
    #[must_use]
    pub fn queue(self, queue: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            ..self
        }
    }

    /// Sets the namespace of the gem redis-namespace (`namespace: "app"` in Sidekiq's Redis
    /// configuration), which prefixes all keys with `app:`. Default: none.
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

    async fn enqueue(&self, envelope: &Envelope) -> Result<(), String> {
        let handle = self
            .handle
            .get()
            .ok_or_else(|| format!("{} is not open: call `open` first", self.description()))?;
        let job = job::encode(envelope, &self.queue, now_ms(), &self.translator)?;
        if let Some(refusal) = handle.queue.last_refusal.current() {
            return Err(refusal.to_string());
        }
        // One transaction: if Redis rejects a command before it runs, it does not run the other.
        let mut pipeline = redis::pipe();
        pipeline.atomic().ignore_errors();
        pipeline.sadd(self.key("queues"), &self.queue);
        pipeline.lpush(self.key(&format!("queue:{}", self.queue)), job);
        let queue = Arc::clone(&handle.queue);
        let push = handle
            .thread
            .spawn(async move { queue.push(&pipeline).await });
        match push.await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!(
                "the thread with the connection to {} has ended",
                self.description()
            )),
        }
    }
}

impl JobQueue {
    /// Adds the name of the queue and pushes the job.
    async fn push(&self, pipeline: &Pipeline) -> Result<(), QueryError> {
        let address = self.connection.address();
        let replies: Result<Vec<Result<redis::Value, RedisError>>, QueryError> =
            self.connection.query_pipeline(pipeline).await;
        let replies = replies.inspect_err(|error| {
            self.last_refusal.record::<()>(&Err(error.clone()), address);
        })?;
        let refused = |error: &RedisError| QueryError::Refused(format!("{address}: {error}"));
        let result = replies
            .iter()
            .try_for_each(|reply| reply.as_ref().map(drop).map_err(refused));
        self.last_refusal.record(&result, address);
        // If Redis refused only the name, it has the job: a declined append would deliver it twice.
        match replies.last() {
            Some(Ok(_)) => Ok(()),
            _ => result,
        }
    }
}

impl Outbox for Sidekiq {
    fn open(&self) -> Result<(), OutboxError> {
        if self.handle.get().is_some() {
            return Ok(());
        }
        let scheme = self.url.split("://").next().unwrap_or_default();
        let problem = if scheme.ends_with("+cluster") {
            Some("Sidekiq does not support Redis Cluster: use the URL of Sidekiq's Redis")
        } else if self.queue.is_empty() {
            Some("the name of the Sidekiq queue is empty: use a name such as `default`")
        } else {
            None
        };
        if let Some(problem) = problem {
            let url = redacted_url(&self.url);
            return Err(OutboxError(format!("{url}: {problem}")));
        }
        let queue = Arc::new(JobQueue {
            connection: RedisConnection::new(&self.url, None)?,
            last_refusal: LastRefusal::default(),
        });
        let description = self.description();
        let thread = ConnectionThread::start("mengpaneel-sidekiq", &description, ready(()))?;
        drop(self.handle.set(SidekiqHandle { queue, thread }));
        Ok(())
    }

    fn description(&self) -> String {
        let address = match self.handle.get() {
            Some(handle) => handle.queue.connection.address().to_owned(),
            None => redacted_url(&self.url),
        };
        format!("the Sidekiq queue {:?} in Redis at {address}", self.queue)
    }

    fn append(&self, record: Record) -> BoxFuture<'_, Result<(), AppendError>> {
        async move {
            let appended = match record.envelope() {
                Ok(envelope) => self.enqueue(&envelope).await,
                Err(error) => Err(error.to_string()),
            };
            appended.map_err(|reason| AppendError::new(record, reason))
        }
        .boxed()
    }

    /// Returns 0: the Ruby workers deliver the jobs.
    fn pending(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        ready(Ok(0)).boxed()
    }
}

//! The outbox that is a Sidekiq queue: a Ruby fleet with the original gem delivers.

mod job;
#[cfg(all(test, feature = "redis"))]
mod tests;

use std::future::{pending, ready};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use redis::cmd;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::link::{Link, Server, Trouble};
use super::{Declined, Lease, LeaseId, Outbox, OutboxError};
use crate::clock::now_ms;
use crate::parcel::Parcel;

/// How long Redis may take for an answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// A queue of Sidekiq's, whose workers run the original gem: it takes what the gem itself would
/// have put there, and this process delivers nothing from it.
///
/// Calls on which the gem's worker would raise are declined, and so are those that it passes over in
/// silence (`alias`) or would count again when it retries (`people.increment` and its kin): they go
/// the next way.
///
/// ```
/// use mengpaneel::outbox::Sidekiq;
///
/// let outbox = Sidekiq::at("redis://127.0.0.1/").queue("analytics");
/// # let _ = outbox;
/// ```
#[derive(Debug)]
pub struct Sidekiq {
    url: String,
    queue: String,
    desk: OnceLock<Desk>,
}

struct Desk {
    link: Arc<Link>,
    runtime: Handle,
    /// Ends the thread when it is dropped.
    _end: oneshot::Sender<()>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Desk")
    }
}

impl Sidekiq {
    /// The queue `default` in this Redis.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), queue: "default".to_owned(), desk: OnceLock::new() }
    }

    /// Another queue.
    #[must_use]
    pub fn queue(self, queue: impl Into<String>) -> Self {
        Self { queue: queue.into(), ..self }
    }

    async fn enqueue(&self, parcel: &Parcel) -> Result<(), String> {
        let desk = self.desk.get().ok_or("the queue was not opened")?;
        let job = job::job(parcel, &self.queue, now_ms())?.to_string();
        let mut name = cmd("SADD");
        name.arg("queues").arg(&self.queue);
        let mut push = cmd("LPUSH");
        push.arg(format!("queue:{}", self.queue)).arg(job);
        let link = Arc::clone(&desk.link);
        let pushed = desk.runtime.spawn(async move {
            link.ask::<()>(&name).await?;
            link.ask::<()>(&push).await
        });
        match pushed.await {
            Ok(pushed) => pushed.map_err(|trouble: Trouble| trouble.to_string()),
            Err(_) => Err("the thread that has the connection to Redis has ended".into()),
        }
    }
}

impl Outbox for Sidekiq {
    fn open(&self) -> Result<(), OutboxError> {
        if self.desk.get().is_some() {
            return Ok(());
        }
        let link = Arc::new(Link::new(Server::at(&self.url, PATIENCE, None)?, PATIENCE));
        let failed = |error: std::io::Error| OutboxError(format!("the thread for Redis cannot start: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let serve = move || drop(runtime.block_on(ended));
        thread::Builder::new().name("mengpaneel-sidekiq".into()).spawn(serve).map_err(failed)?;
        drop(self.desk.set(Desk { link, runtime: handle, _end: end }));
        Ok(())
    }

    fn append(&self, parcel: Parcel) -> BoxFuture<'_, Result<(), Declined>> {
        async move {
            match self.enqueue(&parcel).await {
                Ok(()) => Ok(()),
                Err(reason) => Err(Declined { parcel: Box::new(parcel), reason }),
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

    fn bury(&self, _: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
        ready(Ok(())).boxed()
    }

    fn waiting(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        ready(Ok(0)).boxed()
    }
}

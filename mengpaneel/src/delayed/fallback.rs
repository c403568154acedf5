//! Fallback copies of delayed calls: delivered by the server if no page claims the calls in time.
//!
//! A copy is in the outbox if the outbox outlives the process, otherwise in memory. The protocol is
//! described in [`crate::delayed`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use crate::delayed::claims::{Claim, ClaimError, Claims, Expiry};
use crate::deliver::dispatcher::Dispatcher;
use crate::deliver::http::retry::Backoff;
use crate::id::now_ms;
use crate::outbox::fallback::CLAIM_TTL;
use crate::outbox::{ClaimResult, Outbox, Record};
use crate::record::envelope::Envelope;

/// Longest time that a response waits for the outbox to store or claim a copy.
const OUTBOX_TIMEOUT: Duration = Duration::from_millis(500);

/// First delay before a failed request to mark calls as sent is repeated.
const MIN_FINISH_BACKOFF: Duration = Duration::from_millis(200);

/// Maximum number of such requests that are repeated concurrently.
const MAX_FINISHING: usize = 10_000;

/// Fallback copies of one `Mengpaneel`, and the claims on their payloads.
#[derive(Debug)]
pub(crate) struct Fallback {
    claims: Claims,
    dispatcher: Arc<Dispatcher>,
}

impl Fallback {
    /// Creates the table for up to `max_copies` copies in memory.
    pub(crate) fn new(dispatcher: &Arc<Dispatcher>, max_copies: usize) -> Self {
        // Timers on the delivery thread hold the claims: a strong reference would keep it alive.
        let weak = Arc::downgrade(dispatcher);
        let permits = Arc::new(Semaphore::new(MAX_FINISHING));
        let on_finish = Box::new(move |id, is_sent| {
            if let Some(dispatcher) = weak.upgrade() {
                finish_remote(&dispatcher, Arc::clone(&permits), id, is_sent);
            }
        });
        Self {
            claims: Claims::new(max_copies, Some(on_finish)),
            dispatcher: Arc::clone(dispatcher),
        }
    }

    /// Stores a copy, which the server delivers unless a page claims the payload within `after`.
    ///
    /// Waits half a second at most. If dropped, or after that time, storing goes on.
    pub(crate) async fn schedule(&self, copy: Envelope, after: Duration) {
        let Some(outbox) = self.dispatcher.durable_outbox() else {
            return schedule_in_memory(&self.dispatcher, &self.claims, copy, after);
        };
        self.claims.track_remote(copy.id);
        let (dispatcher, claims) = (Arc::clone(&self.dispatcher), self.claims.clone());
        let stored = self.dispatcher.spawn_tracked(async move {
            let Err(error) = outbox.schedule_fallback(Record::new(&copy), after).await else {
                return;
            };
            tracing::debug!(target: "mengpaneel", reason = error.reason, "the outbox did not store a fallback copy; the copy is in memory and will be lost if this process dies");
            if let Ok(copy) = error.record.envelope() {
                schedule_in_memory(&dispatcher, &claims, copy, after);
            }
        });
        drop(timeout(OUTBOX_TIMEOUT, stored).await);
    }

    /// Claims a payload in this process and, if the outbox outlives the process, against other
    /// processes and the worker. If the outbox does not answer in time, the local claim counts.
    ///
    /// # Errors
    /// [`ClaimError`] if another request holds the payload or has sent its calls.
    pub(crate) async fn claim(&self, id: Uuid) -> Result<Claim, ClaimError> {
        let mut claim = self.claims.claim(id)?;
        match self.claim_remote(id).await {
            ClaimResult::Acquired | ClaimResult::NotFound => {
                claim.add_remote(id);
                Ok(claim)
            }
            ClaimResult::Held => Err(ClaimError::Held),
            ClaimResult::Delivered => {
                claim.commit();
                Err(ClaimError::Done)
            }
        }
    }

    /// Claims the copy in the outbox. [`ClaimResult::NotFound`] without an answer in time.
    async fn claim_remote(&self, id: Uuid) -> ClaimResult {
        let Some(outbox) = self.dispatcher.durable_outbox() else {
            return ClaimResult::NotFound;
        };
        let error = match timeout(OUTBOX_TIMEOUT, outbox.claim_fallback(id)).await {
            Ok(Ok(result)) => return result,
            Ok(Err(error)) => error.to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        tracing::debug!(target: "mengpaneel", %id, error, "the outbox did not answer a claim on delayed calls in time; this process replays them");
        ClaimResult::NotFound
    }

    /// Enqueues the copies in memory at shutdown, after which no timer would do so.
    pub(crate) fn enqueue_all(&self) {
        for copy in self.claims.drain() {
            self.dispatcher.enqueue_detached(&copy);
        }
    }
}

/// Stores a copy in memory, and starts the timer that enqueues it. Without room, the copy is
/// dropped.
fn schedule_in_memory(
    dispatcher: &Arc<Dispatcher>,
    claims: &Claims,
    copy: Envelope,
    after: Duration,
) {
    let id = copy.id;
    if !claims.insert(copy) {
        return;
    }
    let (weak, claims) = (Arc::downgrade(dispatcher), claims.clone());
    dispatcher.spawn_untracked(async move {
        loop {
            sleep(after).await;
            let Some(dispatcher) = weak.upgrade() else {
                return;
            };
            match claims.expire(id) {
                Expiry::Deliver(copy) => return dispatcher.enqueue_detached(&*copy),
                Expiry::Claimed => {}
                Expiry::Done => return,
            }
        }
    });
}

/// Ends a claim in the outbox: the copy is removed, or due again.
fn finish_remote(dispatcher: &Arc<Dispatcher>, permits: Arc<Semaphore>, id: Uuid, is_sent: bool) {
    let Some(outbox) = dispatcher.durable_outbox() else {
        return;
    };
    let retry = Arc::clone(dispatcher);
    drop(dispatcher.spawn_tracked(async move {
        // A released copy becomes due again even if this request fails.
        if outbox.finish_fallback(id, is_sent).await.is_err() && is_sent {
            let dispatcher = Arc::clone(&retry);
            retry.spawn_untracked(async move {
                retry_finish(&dispatcher, &permits, &*outbox, id).await;
            });
        }
    }));
}

/// Records in the outbox that calls were sent, for as long as the claim holds: after that the
/// worker delivers the copy. Neither deliveries nor a shutdown wait for this.
async fn retry_finish(dispatcher: &Dispatcher, permits: &Semaphore, outbox: &dyn Outbox, id: Uuid) {
    let claim_end = Instant::now() + CLAIM_TTL;
    let mut backoff = Backoff::between(MIN_FINISH_BACKOFF, CLAIM_TTL / 4, now_ms());
    if let Ok(_permit) = permits.try_acquire() {
        while Instant::now() < claim_end && !dispatcher.is_shutting_down() {
            sleep(backoff.next_delay(None)).await;
            if outbox.finish_fallback(id, true).await.is_ok() {
                return;
            }
        }
    }
    tracing::debug!(target: "mengpaneel", %id, "could not record that delayed calls were sent; the outbox will deliver them again");
}

//! Worker: leases records from the outbox, translates them and sends their messages.
//!
//! The worker has a thread of its own: tasks that are spawned on an Actix worker end with that
//! worker, and scripts have no Actix.

mod batch_delivery;
mod worker_loop;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until, timeout};

use crate::deliver::batch::remaining_calls;
use crate::deliver::http::retry::Backoff;
use crate::deliver::partitions::Partitions;
use crate::deliver::sender::Sender;
use crate::deliver::shutdown::{SHUTDOWN_GRACE, Shutdown};
use crate::deliver::worker::worker_loop::WorkerLoop;
use crate::error::{Failure, Reason};
use crate::id::now_ms;
use crate::outbox::Outbox;

/// Most records per lease: they fill the requests that are in flight together.
const BATCH_SIZE: usize = 4 * 2_000;

/// Bounds of the delay after the outbox failed. They are shorter than Mixpanel's, because an outbox
/// is nearer.
const MIN_OUTBOX_BACKOFF: Duration = Duration::from_millis(200);
const MAX_OUTBOX_BACKOFF: Duration = Duration::from_secs(10);

/// Consumer of an outbox; at shutdown it also waits for deliveries that bypass the outbox.
pub(crate) struct Worker {
    /// Outbox to drain. `None` if there is none, or other processes drain it.
    pub(crate) outbox: Option<Arc<dyn Outbox>>,
    pub(crate) sender: Arc<Sender>,
    pub(crate) shutdown: Arc<Shutdown>,
    /// Number of batches in flight at once.
    pub(crate) concurrency: usize,
    /// Number of redeliveries after which a record becomes a dead letter.
    pub(crate) max_redeliveries: u32,
}

impl Worker {
    /// Delivers records until a shutdown has ended.
    pub(crate) async fn run(self) {
        if let Some(outbox) = &self.outbox {
            let loops =
                (0..self.concurrency.max(1)).map(|number| self.new_loop(&**outbox, number).run());
            join_all(loops).await;
            if !outbox.is_durable() {
                self.report_remaining(&**outbox).await;
            }
        }
        self.wait_for_in_flight().await;
        self.shutdown.mark_worker_ended();
    }

    fn new_loop<'a>(&'a self, outbox: &'a dyn Outbox, number: usize) -> WorkerLoop<'a> {
        // Different seeds spread the attempts of the loops.
        let seed = now_ms().wrapping_add(number as u64);
        WorkerLoop {
            outbox,
            worker: self,
            outbox_backoff: Backoff::between(MIN_OUTBOX_BACKOFF, MAX_OUTBOX_BACKOFF, seed),
            is_outbox_unavailable: false,
            partitions: Partitions::default(),
        }
    }

    /// Reports the records that are pending after the deadline and end with this process.
    async fn report_remaining(&self, outbox: &dyn Outbox) {
        while let Ok(Ok(leases)) = timeout(Duration::ZERO, outbox.lease(BATCH_SIZE)).await {
            for lease in &leases {
                let reason = match self.sender.circuit_breaker.last_error() {
                    Some(error) => format!("the shutdown deadline passed; last error: {error}"),
                    None => "the shutdown deadline passed".into(),
                };
                let reason = Reason::Abandoned(reason);
                self.sender
                    .report(&Failure::for_calls(reason, remaining_calls(lease)));
            }
        }
    }

    /// Waits for the deliveries that bypass the outbox. [`SHUTDOWN_GRACE`] extends the deadline: a
    /// request to Mixpanel is not cut off.
    async fn wait_for_in_flight(&self) {
        loop {
            let mut state_changed = pin!(self.shutdown.state_changed());
            state_changed.as_mut().enable();
            let deadline = self
                .shutdown
                .deadline()
                .map(|deadline| deadline + SHUTDOWN_GRACE);
            if deadline.is_some() && self.shutdown.in_flight() == 0 {
                return;
            }
            tokio::select! {
                () = state_changed => {}
                () = sleep_until_deadline(deadline) => return,
            }
        }
    }
}

/// Sleeps until the deadline; forever if there is none.
async fn sleep_until_deadline(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

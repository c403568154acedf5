//! The outbox in memory: the default. What waits in it is gone if the process is killed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Declined, Lease, LeaseId, Outbox, OutboxError};
use crate::parcel::Parcel;

/// An outbox in memory, bounded by records and by bytes.
///
/// ```
/// use mengpaneel::outbox::Memory;
///
/// let outbox = Memory::default().max_records(10_000).max_bytes(16 << 20);
/// # let _ = outbox;
/// ```
#[derive(Debug)]
pub struct Memory {
    max_records: usize,
    max_bytes: usize,
    state: Mutex<State>,
    due: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Waiting>,
    later: BTreeMap<(Instant, u64), Waiting>,
    /// Bytes of what the worker has in its hands, by the number in its lease's ID.
    leased: HashMap<LeaseId, usize>,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    lease: Lease,
    bytes: usize,
}

impl Default for Memory {
    /// Room for 100,000 records or 64 MiB, whichever is reached first.
    fn default() -> Self {
        Self { max_records: 100_000, max_bytes: 64 << 20, state: Mutex::default(), due: Notify::new() }
    }
}

impl Memory {
    /// How many records may wait: one is what one request recorded.
    #[must_use]
    pub fn max_records(self, max_records: usize) -> Self {
        Self { max_records, ..self }
    }

    /// How many bytes may wait, counted on the calls and what is known of the visitor.
    #[must_use]
    pub fn max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, parcel: Parcel) -> Result<(), Declined> {
        let bytes = weight(&parcel);
        let mut state = self.lock();
        let full = if state.len() >= self.max_records {
            Some(format!("{} records wait, its bound", self.max_records))
        } else if state.bytes + bytes > self.max_bytes {
            Some(format!("{} bytes wait, and {bytes} more would pass its bound", state.bytes))
        } else {
            None
        };
        if let Some(reason) = full {
            return Err(Declined { parcel: Box::new(parcel), reason });
        }
        state.bytes += bytes;
        let id = state.id();
        let lease = Lease::new(id, parcel);
        state.ready.push_back(Waiting { lease, bytes });
        drop(state);
        self.due.notify_one();
        Ok(())
    }

    /// What is due now, and when the next is.
    fn take(&self, limit: usize) -> (Vec<Lease>, Option<Instant>) {
        let mut state = self.lock();
        let now = Instant::now();
        let not_due = state.later.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut state.later, not_due);
        // They are older than what came since.
        for waiting in due.into_values().rev() {
            state.ready.push_front(waiting);
        }
        let count = limit.min(state.ready.len());
        let taken: Vec<Waiting> = state.ready.drain(..count).collect();
        let leases = taken.into_iter().map(|waiting| {
            state.leased.insert(waiting.lease.id.clone(), waiting.bytes);
            waiting.lease
        });
        let leases = leases.collect();
        (leases, state.later.first_key_value().map(|((due, _), _)| *due))
    }
}

impl State {
    fn len(&self) -> usize {
        self.ready.len() + self.later.len() + self.leased.len()
    }

    fn id(&mut self) -> LeaseId {
        self.next += 1;
        LeaseId(self.next.to_string())
    }
}

impl Outbox for Memory {
    fn is_durable(&self) -> bool {
        false
    }

    fn append(&self, parcel: Parcel) -> BoxFuture<'_, Result<(), Declined>> {
        ready(self.keep(parcel)).boxed()
    }

    fn lease(&self, limit: usize) -> BoxFuture<'_, Result<Vec<Lease>, OutboxError>> {
        async move {
            loop {
                let arrival = self.due.notified();
                let (leases, next) = self.take(limit);
                if !leases.is_empty() {
                    return Ok(leases);
                }
                match next {
                    Some(due) => drop(tokio::time::timeout_at(due, arrival).await),
                    None => arrival.await,
                }
            }
        }
        .boxed()
    }

    fn mark_sending<'a>(&'a self, _: &'a [Lease]) -> BoxFuture<'a, Result<(), OutboxError>> {
        // A crash takes the records with it: none can be sent again.
        ready(Ok(())).boxed()
    }

    fn acknowledge(&self, ids: Vec<LeaseId>) -> BoxFuture<'_, Result<(), OutboxError>> {
        let mut state = self.lock();
        for id in ids {
            if let Some(bytes) = state.leased.remove(&id) {
                state.bytes -= bytes;
            }
        }
        ready(Ok(())).boxed()
    }

    fn retry_later(&self, leases: Vec<Lease>, delay: Duration) -> BoxFuture<'_, Result<(), OutboxError>> {
        let due = Instant::now() + delay;
        let mut state = self.lock();
        for lease in leases {
            if let Some(bytes) = state.leased.remove(&lease.id) {
                state.next += 1;
                let place = (due, state.next);
                state.later.insert(place, Waiting { lease, bytes });
            }
        }
        drop(state);
        self.due.notify_one();
        ready(Ok(())).boxed()
    }

    fn bury(&self, leases: Vec<Lease>) -> BoxFuture<'_, Result<(), OutboxError>> {
        self.acknowledge(leases.into_iter().map(|lease| lease.id).collect())
    }

    fn waiting(&self) -> BoxFuture<'_, Result<usize, OutboxError>> {
        ready(Ok(self.lock().len())).boxed()
    }
}

/// About how many bytes a parcel takes.
fn weight(parcel: &Parcel) -> usize {
    let visitor = &parcel.visitor;
    let texts = [&visitor.cookie, &visitor.ip, &visitor.user_agent, &visitor.url, &visitor.referrer];
    let visitor: usize = texts.into_iter().flatten().map(String::len).sum();
    let calls = parcel.calls.iter().chain(&parcel.context);
    let args: usize = calls.map(|call| 32 + call.args().iter().map(value_weight).sum::<usize>()).sum();
    256 + visitor + args
}

fn value_weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 32 + text.len(),
        Value::Array(items) => 32 + items.iter().map(value_weight).sum::<usize>(),
        Value::Object(entries) => {
            32 + entries.iter().map(|(key, value)| 48 + key.len() + value_weight(value)).sum::<usize>()
        }
        _ => 32,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::call::{Call, Calls, Method};
    use crate::visitor::Visitor;

    fn parcel(event: &str) -> Parcel {
        let call = Call::new(Method::Track, vec![json!(event)]);
        Parcel::new(Visitor::default(), Calls { tracking: vec![call], ..Calls::default() })
    }

    fn events(leases: &[Lease]) -> Vec<&str> {
        leases.iter().filter_map(|lease| lease.parcel.calls.tracking[0].str_arg(0)).collect()
    }

    #[tokio::test]
    async fn what_was_appended_first_is_leased_first() {
        let outbox = Memory::default();
        for event in ["a", "b", "c"] {
            outbox.append(parcel(event)).await.unwrap();
        }
        assert_eq!(events(&outbox.lease(2).await.unwrap()), ["a", "b"]);
        assert_eq!(events(&outbox.lease(2).await.unwrap()), ["c"]);
        assert_eq!(outbox.waiting().await, Ok(3));
    }

    #[tokio::test]
    async fn past_its_bounds_it_hands_the_parcel_back() {
        let outbox = Memory::default().max_records(1);
        outbox.append(parcel("a")).await.unwrap();
        let lease = outbox.lease(1).await.unwrap();
        let declined = outbox.append(parcel("b")).await.unwrap_err();
        assert_eq!(declined.parcel.calls.tracking[0].str_arg(0), Some("b"));
        outbox.acknowledge(vec![lease[0].id.clone()]).await.unwrap();
        outbox.append(parcel("b")).await.unwrap();

        let small = Memory::default().max_bytes(100);
        assert!(small.append(parcel("a")).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_to_be_retried_is_due_after_its_delay_and_not_before() {
        let outbox = Memory::default();
        outbox.append(parcel("a")).await.unwrap();
        let leases = outbox.lease(1).await.unwrap();
        outbox.retry_later(leases, Duration::from_secs(5)).await.unwrap();
        let before = Instant::now();
        assert_eq!(events(&outbox.lease(1).await.unwrap()), ["a"]);
        assert!(before.elapsed() >= Duration::from_secs(5));
    }

    #[tokio::test]
    async fn what_is_retried_stands_before_what_came_since() {
        let outbox = Memory::default();
        for event in ["a", "b", "c"] {
            outbox.append(parcel(event)).await.unwrap();
        }
        let leases = outbox.lease(2).await.unwrap();
        outbox.retry_later(leases, Duration::ZERO).await.unwrap();
        assert_eq!(events(&outbox.lease(3).await.unwrap()), ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn it_holds_what_every_outbox_must() {
        crate::outbox::conformance::check(Memory::default).await;
    }

    #[tokio::test]
    async fn ten_thousand_retries_that_are_due_at_once_do_not_stop_it() {
        let outbox = Memory::default();
        for number in 0..10 {
            let appends = (0..1_000).map(|more| outbox.append(parcel(&format!("{number} {more}"))));
            assert!(futures_util::future::join_all(appends).await.iter().all(Result::is_ok));
        }
        let leases = outbox.lease(10_000).await.unwrap();
        outbox.retry_later(leases, Duration::from_millis(1)).await.unwrap();
        let mut seen = std::collections::HashSet::new();
        while seen.len() < 10_000 {
            let leases = outbox.lease(10_000).await.unwrap();
            assert!(leases.iter().all(|lease| seen.insert(lease.parcel.id)), "each once");
            outbox.acknowledge(leases.into_iter().map(|lease| lease.id).collect()).await.unwrap();
        }
        assert_eq!(outbox.waiting().await, Ok(0));
    }
}

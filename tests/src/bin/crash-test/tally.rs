//! Comparison of the requests that got a response with the calls that arrived.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all};
use reqwest::redirect::Policy;
use stand_in::StandIn;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::processes::Processes;

/// Limit for the arrival of all calls after the last round.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(90);

/// Number of responses that clients wait for after the kill, if any come.
const RESPONSES_AFTER_KILL: usize = 50;

/// Numbers of the requests that got a response.
#[derive(Default)]
pub(crate) struct Tally {
    next: AtomicU64,
    answered: Mutex<BTreeSet<u64>>,
}

impl Tally {
    /// Sends requests, calls `kill` after `before` responses, and goes on while responses come.
    ///
    /// Returns the number of responses.
    pub(crate) async fn load(
        &self,
        url: &str,
        clients: usize,
        before: usize,
        kill: impl FnOnce() -> Result<(), String>,
    ) -> Result<usize, String> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(Policy::none())
            .build();
        let http = http.map_err(|error| error.to_string())?;
        let (answered, reached) = (AtomicUsize::new(0), Notify::new());
        let client = async || {
            while answered.load(Ordering::Relaxed) < before + RESPONSES_AFTER_KILL {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let response = http
                    .post(format!("{url}/{number}"))
                    .header("accept", "text/html")
                    .send()
                    .await;
                if !response.is_ok_and(|response| response.error_for_status().is_ok()) {
                    break;
                }
                self.answered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(number);
                if answered.fetch_add(1, Ordering::Relaxed) + 1 == before {
                    reached.notify_one();
                }
            }
            // If too few responses come, this call still releases `kill`.
            reached.notify_one();
        };
        let kill = async {
            reached.notified().await;
            kill()
        };
        let (_, result) = join(join_all((0..clients).map(|_| client())), kill).await;
        result.map(|()| answered.load(Ordering::Relaxed))
    }

    /// Waits until all calls have arrived or are reported, and returns the comparison.
    pub(crate) async fn wait_for_report(
        &self,
        stand_in: &StandIn,
        processes: &Processes,
    ) -> Report {
        let answered = self
            .answered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let until = Instant::now() + ARRIVAL_TIMEOUT;
        loop {
            let report = Report::new(&answered, stand_in, processes);
            if (report.lost == 0 && report.unreported == 0) || Instant::now() >= until {
                return report;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Calls of the requests that got a response, by their fate.
pub(crate) struct Report {
    recorded: usize,
    delivered: usize,
    unique: usize,
    lost: usize,
    /// Increments that arrived more than once.
    duplicated: usize,
    /// Increments that did not arrive and were reported.
    in_doubt: usize,
    /// Increments that did not arrive and were not reported.
    unreported: usize,
}

impl Report {
    fn new(answered: &BTreeSet<u64>, stand_in: &StandIn, processes: &Processes) -> Self {
        let number = |event: &stand_in::Received| event.property("number").as_u64();
        let arrived: BTreeSet<u64> = stand_in.counted().iter().filter_map(number).collect();
        let mut increments = BTreeMap::<String, usize>::new();
        for profile in stand_in.profiles() {
            *increments
                .entry(profile.distinct_id().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
        let undelivered = processes
            .undelivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let reported: BTreeSet<&str> = undelivered
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        let missing = || {
            let people = answered.iter().map(|number| format!("person-{number}"));
            people.filter(|person| !increments.contains_key(person))
        };
        Self {
            recorded: answered.len(),
            delivered: stand_in.events().len(),
            unique: arrived.len(),
            lost: answered.difference(&arrived).count(),
            duplicated: increments.values().filter(|count| **count > 1).count(),
            in_doubt: missing()
                .filter(|person| reported.contains(person.as_str()))
                .count(),
            unreported: missing()
                .filter(|person| !reported.contains(person.as_str()))
                .count(),
        }
    }

    /// Returns whether no call was lost, duplicated, or missing without a report.
    pub(crate) fn is_ok(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.unreported == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            recorded,
            delivered,
            unique,
            lost,
            duplicated,
            in_doubt,
            unreported,
        } = self;
        writeln!(
            f,
            "events: {recorded} recorded, {delivered} delivered, {unique} unique, {lost} lost"
        )?;
        write!(
            f,
            "increments: {duplicated} duplicated, {in_doubt} in doubt and reported, \
             {unreported} missing without a report"
        )
    }
}

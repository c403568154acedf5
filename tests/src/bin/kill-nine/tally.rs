//! What was answered for, what arrived, and whether that is the same.

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

use crate::victims::Scene;

/// How long everything may take to arrive in the end.
const PATIENCE: Duration = Duration::from_secs(90);

/// As many answers more are waited for after what happens in the middle, if any come.
const AFTER: usize = 50;

/// What was answered for so far.
#[derive(Default)]
pub(crate) struct Tally {
    next: AtomicU64,
    answered: Mutex<BTreeSet<u64>>,
}

impl Tally {
    /// Asks until as many more were answered, does what is to be done then in the middle of it, and
    /// asks on for as long as there are answers, a few.
    pub(crate) async fn load(
        &self,
        url: &str,
        clients: usize,
        enough: usize,
        then: impl FnOnce() -> Result<(), String>,
    ) -> Result<usize, String> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(Policy::none())
            .build();
        let http = http.map_err(|error| error.to_string())?;
        let (answered, reached) = (AtomicUsize::new(0), Notify::new());
        let client = async || {
            while answered.load(Ordering::Relaxed) < enough + AFTER {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let asked = http
                    .post(format!("{url}/{number}"))
                    .header("accept", "text/html")
                    .send()
                    .await;
                if !asked.is_ok_and(|answer| answer.error_for_status().is_ok()) {
                    break;
                }
                self.answered
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(number);
                if answered.fetch_add(1, Ordering::Relaxed) + 1 == enough {
                    reached.notify_one();
                }
            }
            // Whoever waits for more would wait for ever.
            reached.notify_one();
        };
        let then = async {
            reached.notified().await;
            then()
        };
        let (_, done) = join(join_all((0..clients).map(|_| client())), then).await;
        done.map(|()| answered.load(Ordering::Relaxed))
    }

    /// Waits until everything arrived that can, and compares.
    pub(crate) async fn judge(&self, stand_in: &StandIn, scene: &mut Scene) -> Verdict {
        let answered = self
            .answered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let until = Instant::now() + PATIENCE;
        loop {
            let verdict = Verdict::of(&answered, stand_in, scene);
            if (verdict.lost == 0 && verdict.silent == 0) || Instant::now() >= until {
                return verdict;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// What became of what was answered for.
pub(crate) struct Verdict {
    recorded: usize,
    delivered: usize,
    unique: usize,
    lost: usize,
    /// Increments that arrived more than once.
    doubled: usize,
    /// Increments that did not arrive and were told of.
    in_doubt: usize,
    /// Increments that did not arrive, and of which nobody told.
    silent: usize,
}

impl Verdict {
    fn of(answered: &BTreeSet<u64>, stand_in: &StandIn, scene: &Scene) -> Self {
        let number = |event: &stand_in::Received| event.property("number").as_u64();
        let arrived: BTreeSet<u64> = stand_in.counted().iter().filter_map(number).collect();
        let mut increments = BTreeMap::<String, usize>::new();
        for profile in stand_in.profiles() {
            *increments
                .entry(profile.distinct_id().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
        let told = scene
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let told: BTreeSet<&str> = told
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
            doubled: increments.values().filter(|count| **count > 1).count(),
            in_doubt: missing()
                .filter(|person| told.contains(person.as_str()))
                .count(),
            silent: missing()
                .filter(|person| !told.contains(person.as_str()))
                .count(),
        }
    }

    /// Nothing lost, nothing twice, and nothing missing in silence.
    pub(crate) fn holds(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.silent == 0
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            recorded,
            delivered,
            unique,
            lost,
            doubled,
            in_doubt,
            silent,
        } = self;
        writeln!(
            f,
            "events: {recorded} recorded, {delivered} delivered, {unique} unique, {lost} lost"
        )?;
        write!(
            f,
            "increments: {doubled} twice, {in_doubt} in doubt and reported, {silent} missing in silence"
        )
    }
}

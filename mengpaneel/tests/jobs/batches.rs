//! Batches: many jobs are delivered in few requests.

use std::collections::BTreeSet;

use stand_in::{Endpoint, StandIn};

use super::{TIMEOUT, build, failures_of, received, renew};

const JOBS: usize = 10_000;

/// Returns the number of requests with events.
fn imports(stand_in: &StandIn) -> usize {
    stand_in
        .requests()
        .iter()
        .filter(|request| request.endpoint == Endpoint::Import)
        .count()
}

#[tokio::test]
async fn many_jobs_are_delivered_in_few_requests() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    for number in 0..JOBS {
        assert_eq!(mengpaneel.scope(renew(number)).await, number);
    }
    mengpaneel.flush(TIMEOUT).await.unwrap();
    assert_eq!(stand_in.counted().len(), JOBS);
    eprintln!("{JOBS} jobs made {} requests", imports(&stand_in));
    assert!(imports(&stand_in) <= JOBS / 100, "{}", imports(&stand_in));
    assert_eq!(failures_of(&failures), []);
}

#[tokio::test]
async fn many_calls_of_users_are_delivered_in_few_requests() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    for number in 0..JOBS {
        mengpaneel.as_user(number + 1).track("Renew", ());
    }
    mengpaneel.flush(TIMEOUT).await.unwrap();
    let users: BTreeSet<String> = received(&stand_in)
        .into_iter()
        .map(|(user, _)| user)
        .collect();
    assert_eq!((users.len(), stand_in.counted().len()), (JOBS, JOBS));
    eprintln!("{JOBS} calls made {} requests", imports(&stand_in));
    assert!(imports(&stand_in) <= JOBS / 100, "{}", imports(&stand_in));
    assert_eq!(failures_of(&failures), []);
}

#[cfg(feature = "file")]
#[tokio::test]
async fn jobs_of_a_host_without_mixpanel_reach_it_by_a_worker() {
    use futures_util::future::join_all;
    use mengpaneel::outbox::{File, OnLocked};
    use serde_json::json;

    let path = std::env::temp_dir().join(format!("mengpaneel-jobs-{}", uuid::Uuid::new_v4()));
    let stand_in = StandIn::start();
    let outbox = || File::new(&path).on_locked(OnLocked::Wait(TIMEOUT));
    // Nothing listens on this port.
    let (mengpaneel, failures) = build(&stand_in, |builder| {
        builder
            .api_host("http://127.0.0.1:9")
            .outbox(outbox())
            .concurrency(0)
    });
    // The jobs run concurrently, so that they share commits of the file.
    let jobs = (0..JOBS).map(|number| mengpaneel.scope(renew(number)));
    assert_eq!(join_all(jobs).await.len(), JOBS);
    let user = mengpaneel.as_user("backfill");
    user.track("Import", json!({"time": 1_767_225_600_000_u64}));
    user.people().increment("Imports", 2);
    // An append is pending until it is on disk.
    let is_written = async {
        while mengpaneel.health().await.pending < JOBS + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, is_written).await.unwrap();
    assert_eq!(
        (failures_of(&failures), stand_in.requests().len()),
        (vec![], 0)
    );
    drop((mengpaneel, user));

    let (worker, failures) = build(&stand_in, |builder| builder.outbox(outbox()));
    worker.flush(TIMEOUT).await.unwrap();
    assert_eq!(stand_in.counted().len(), JOBS + 1);
    assert!(imports(&stand_in) <= 10, "{}", imports(&stand_in));
    let import = stand_in.counted_as("Import");
    assert_eq!(
        (import[0].distinct_id(), import[0].property("time")),
        (Some("backfill"), &json!(1_767_225_600_000_u64))
    );
    assert_eq!(stand_in.profile("backfill").unwrap()["Imports"], json!(2));
    assert_eq!(failures_of(&failures), []);
    drop(worker);
    std::fs::remove_file(&path).unwrap();
}

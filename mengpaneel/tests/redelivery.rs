//! Delivery of records that an earlier process had leased, and of calls recorded late.
#![cfg(all(feature = "file", feature = "conformance"))]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mengpaneel::outbox::{Consumer as _, File, Memory, OnLocked, Outbox, Record};
use mengpaneel::{Call, Calls, Envelope, Mengpaneel, Method, Reason, Visitor};
use serde_json::json;
use stand_in::StandIn;
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Folder of an outbox's file, removed on drop.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("outbox")
    }

    fn outbox(&self) -> File {
        // The last process to drain the file may not have closed it yet.
        let outbox = File::new(self.file()).on_locked(OnLocked::Wait(TIMEOUT));
        outbox.try_open().unwrap();
        outbox
    }
}

type Failures = Arc<Mutex<Vec<(Reason, Vec<String>)>>>;

/// Drains the file in a folder, and returns the reason of each failure, with the methods of its calls.
async fn drain(
    folder: &Folder,
    stand_in: &StandIn,
    max_redeliveries: u32,
) -> Vec<(Reason, Vec<String>)> {
    let failures = Failures::default();
    let hook = Arc::clone(&failures);
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .outbox(File::new(folder.file()).on_locked(OnLocked::Wait(TIMEOUT)))
        .max_redeliveries(max_redeliveries)
        .on_error(move |failure| {
            let methods = failure
                .calls
                .iter()
                .map(|call| call.method().to_string())
                .collect();
            hook.lock().unwrap().push((failure.reason.clone(), methods));
        })
        .build()
        .unwrap();
    mengpaneel.flush(TIMEOUT).await.unwrap();
    mengpaneel.shutdown(TIMEOUT).await.unwrap();
    failures.lock().unwrap().clone()
}

/// Returns an event, a `$set`, and an operation that is not idempotent.
fn envelope() -> Envelope {
    let calls = json!({
        "setup": [[["identify"], ["42"]]],
        "tracking": [
            [["track"], ["Sign In", {"$insert_id": "one", "time": 1_700_000_000_000_u64}]],
            [["people", "set"], [{"Plan": "Pro"}]],
            [["people", "increment"], [{"Visits": 1}]],
        ],
    });
    let calls: Calls = serde_json::from_value(calls).unwrap();
    assert_eq!(
        calls.tracking[2],
        Call::new(Method::PeopleIncrement, vec![json!({"Visits": 1})])
    );
    Envelope::new(Visitor::default(), calls)
}

#[tokio::test]
async fn operations_in_doubt_are_reported_and_the_rest_resent() {
    let (folder, stand_in) = (Folder::new(), StandIn::start());
    let outbox = folder.outbox();
    outbox.append(Record::new(&envelope())).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    outbox.mark_sending(&leases).await.unwrap();
    drop(outbox);
    let failures = drain(&folder, &stand_in, 10).await;
    assert!(
        matches!(&failures[..], [(Reason::InDoubt(_), calls)] if calls == &["people.increment"]),
        "{failures:?}"
    );
    assert_eq!(stand_in.counted_as("Sign In").len(), 1);
    let operations: Vec<_> = stand_in
        .profiles()
        .iter()
        .map(|update| update.body.get("$set").is_some())
        .collect();
    assert_eq!(operations, [true], "`$set` is sent again, `$add` is not");
}

#[tokio::test]
async fn leased_record_that_was_not_sent_is_sent_completely() {
    let (folder, stand_in) = (Folder::new(), StandIn::start());
    let outbox = folder.outbox();
    outbox.append(Record::new(&envelope())).await.unwrap();
    drop(outbox.lease(1).await.unwrap());
    drop(outbox);
    assert_eq!(drain(&folder, &stand_in, 10).await, []);
    assert_eq!(stand_in.counted_as("Sign In").len(), 1);
    assert_eq!(stand_in.profiles().len(), 2);
}

#[tokio::test]
async fn record_that_crashes_workers_is_buried_and_reported() {
    let (folder, stand_in) = (Folder::new(), StandIn::start());
    folder
        .outbox()
        .append(Record::new(&envelope()))
        .await
        .unwrap();
    for _ in 0..3 {
        drop(folder.outbox().lease(1).await.unwrap());
    }
    let failures = drain(&folder, &stand_in, 3).await;
    let [(Reason::Abandoned(reason), calls)] = &failures[..] else {
        panic!("{failures:?}")
    };
    assert!(reason.contains("leased 3 times"), "{reason}");
    assert_eq!(calls.len(), 4);
    let outbox = folder.outbox();
    assert_eq!(outbox.pending().await, Ok(0));
    assert_eq!(outbox.dead_letters(10).await.unwrap().len(), 1);
    assert_eq!(stand_in.events().len(), 0);
}

#[tokio::test]
async fn record_buried_in_doubt_counts_once_after_requeue() {
    let (folder, stand_in) = (Folder::new(), StandIn::start());
    folder
        .outbox()
        .append(Record::new(&envelope()))
        .await
        .unwrap();
    for _ in 0..2 {
        let outbox = folder.outbox();
        let leases = outbox.lease(1).await.unwrap();
        outbox.mark_sending(&leases).await.unwrap();
    }
    let failures = drain(&folder, &stand_in, 2).await;
    assert!(
        matches!(&failures[..], [(Reason::Abandoned(_), calls)] if calls.len() == 4),
        "{failures:?}"
    );
    assert_eq!(folder.outbox().requeue(10).await, Ok(1));
    let failures = drain(&folder, &stand_in, 2).await;
    assert!(
        matches!(&failures[..], [(Reason::InDoubt(_), calls)] if calls == &["people.increment"]),
        "{failures:?}"
    );
    assert_eq!(stand_in.counted_as("Sign In").len(), 1);
    assert_eq!(
        stand_in.profiles().len(),
        1,
        "`$set` is sent again, `$add` may have arrived"
    );
    assert_eq!(folder.outbox().pending().await, Ok(0));
}

#[tokio::test]
async fn late_calls_keep_their_user_with_memory_and_file() {
    let folder = Folder::new();
    let outboxes: [Arc<dyn Outbox>; 2] = [
        Arc::new(Memory::default()),
        Arc::new(File::new(folder.file())),
    ];
    for outbox in outboxes {
        let stand_in = StandIn::start();
        let mengpaneel = Mengpaneel::builder("demo")
            .api_host(stand_in.url())
            .outbox(outbox)
            .build()
            .unwrap();
        let job = async {
            mengpaneel::setup(|mixpanel| mixpanel.identify("42"));
            mengpaneel::current()
        };
        let mixpanel = mengpaneel.scope(job).await;
        let names: Vec<String> = (0..5_000)
            .map(|number| format!("Event {number}, \"late\""))
            .collect();
        for name in &names {
            mixpanel.track(name, json!({"Name": name}));
        }
        mixpanel.people().increment("Late", 1);
        mengpaneel.flush(TIMEOUT).await.unwrap();
        let events = stand_in.counted();
        assert!(events.iter().all(|event| event.distinct_id() == Some("42")));
        let values: Vec<&str> = events
            .iter()
            .filter_map(|event| event.property("Name").as_str())
            .collect();
        assert!(values.iter().eq(&names), "all events of one user, in order");
        let ids: Vec<_> = events.iter().map(|event| event.insert_id()).collect();
        assert!(
            ids.is_sorted_by(|a, b| a < b),
            "each event has its own insert ID"
        );
        assert_eq!(stand_in.profiles().len(), 1);
        mengpaneel.shutdown(TIMEOUT).await.unwrap();
    }
}

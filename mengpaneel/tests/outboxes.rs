//! What the worker makes of records that somebody had in hand before.
#![cfg(all(feature = "file", feature = "testing"))]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mengpaneel::outbox::{File, Locked, Memory, Outbox};
use mengpaneel::{Call, Calls, Mengpaneel, Method, Parcel, Reason, Visitor};
use serde_json::json;
use stand_in::StandIn;

const SOON: Duration = Duration::from_secs(30);

/// A file of its own, gone when it is dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("mengpaneel-outboxes-{}", uuid::Uuid::new_v4())))
    }

    fn outbox(&self) -> File {
        // Whoever drained it may not have let go of it yet.
        let file = File::at(&self.0).when_locked(Locked::Wait(SOON));
        file.try_open().unwrap();
        file
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

type Told = Arc<Mutex<Vec<(Reason, Vec<String>)>>>;

/// Drains the file, and gives what was told of.
async fn drain(
    place: &Place,
    stand_in: &StandIn,
    max_deliveries: u32,
) -> Vec<(Reason, Vec<String>)> {
    let told = Told::default();
    let hook = Arc::clone(&told);
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .outbox(File::at(&place.0).when_locked(Locked::Wait(SOON)))
        .max_deliveries(max_deliveries)
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
    mengpaneel.flush(SOON).await.unwrap();
    mengpaneel.shutdown(SOON).await.unwrap();
    told.lock().unwrap().clone()
}

/// An event, a `$set`, and an operation that would count twice.
fn parcel() -> Parcel {
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
    Parcel::new(Visitor::default(), calls)
}

#[tokio::test]
async fn what_may_have_arrived_and_would_count_twice_is_told_and_the_rest_sent_again() {
    let (place, stand_in) = (Place::new(), StandIn::start());
    let outbox = place.outbox();
    outbox.append(parcel()).await.unwrap();
    let leases = outbox.lease(1).await.unwrap();
    outbox.mark_sending(&leases).await.unwrap();
    drop(outbox);
    let told = drain(&place, &stand_in, 10).await;
    assert!(
        matches!(&told[..], [(Reason::InDoubt(_), calls)] if calls == &["people.increment"]),
        "{told:?}"
    );
    assert_eq!(stand_in.counted_as("Sign In").len(), 1);
    let operations: Vec<_> = stand_in
        .profiles()
        .iter()
        .map(|one| one.body.get("$set").is_some())
        .collect();
    assert_eq!(
        operations,
        [true],
        "what was set is set again, what was added is not"
    );
}

#[tokio::test]
async fn what_was_in_hand_but_not_on_its_way_is_sent_whole() {
    let (place, stand_in) = (Place::new(), StandIn::start());
    let outbox = place.outbox();
    outbox.append(parcel()).await.unwrap();
    drop(outbox.lease(1).await.unwrap());
    drop(outbox);
    assert_eq!(drain(&place, &stand_in, 10).await, []);
    assert_eq!(stand_in.counted_as("Sign In").len(), 1);
    assert_eq!(stand_in.profiles().len(), 2);
}

#[tokio::test]
async fn what_kills_whoever_takes_it_is_buried_and_told() {
    let (place, stand_in) = (Place::new(), StandIn::start());
    place.outbox().append(parcel()).await.unwrap();
    for _ in 0..3 {
        drop(place.outbox().lease(1).await.unwrap());
    }
    let told = drain(&place, &stand_in, 3).await;
    let [(Reason::GivenUp(why), calls)] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(why.contains("taken up 3 times"), "{why}");
    assert_eq!(calls.len(), 4);
    let outbox = place.outbox();
    assert_eq!(outbox.waiting().await, Ok(0));
    assert_eq!(outbox.buried(10).await.unwrap().len(), 1);
    assert_eq!(stand_in.events().len(), 0);
}

#[tokio::test]
async fn what_was_buried_in_doubt_counts_once_after_it_was_put_back() {
    let (place, stand_in) = (Place::new(), StandIn::start());
    place.outbox().append(parcel()).await.unwrap();
    for _ in 0..2 {
        let outbox = place.outbox();
        let leases = outbox.lease(1).await.unwrap();
        outbox.mark_sending(&leases).await.unwrap();
    }
    let told = drain(&place, &stand_in, 2).await;
    assert!(
        matches!(&told[..], [(Reason::GivenUp(_), calls)] if calls.len() == 4),
        "{told:?}"
    );
    assert_eq!(place.outbox().requeue(10).await, Ok(1));
    let told = drain(&place, &stand_in, 2).await;
    assert!(
        matches!(&told[..], [(Reason::InDoubt(_), calls)] if calls == &["people.increment"]),
        "{told:?}"
    );
    assert_eq!(stand_in.counted_as("Sign In").len(), 1);
    assert_eq!(
        stand_in.profiles().len(),
        1,
        "what was set is set, what was added may have been"
    );
    assert_eq!(place.outbox().waiting().await, Ok(0));
}

#[tokio::test]
async fn what_is_recorded_late_arrives_as_its_setup_says_whether_or_not_its_outbox_takes_waiting() {
    let place = Place::new();
    let outboxes: [Box<dyn Outbox>; 2] =
        [Box::new(Memory::default()), Box::new(File::at(&place.0))];
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
            mixpanel.track(name, json!({"Said": name}));
        }
        mixpanel.people().increment("Late", 1);
        mengpaneel.flush(SOON).await.unwrap();
        let arrived = stand_in.counted();
        assert!(
            arrived
                .iter()
                .all(|event| event.distinct_id() == Some("42"))
        );
        let said: Vec<&str> = arrived
            .iter()
            .filter_map(|event| event.property("Said").as_str())
            .collect();
        assert!(said.iter().eq(&names), "all of one user, in order");
        let ids: Vec<_> = arrived.iter().map(|event| event.insert_id()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "each has a name of its own");
        assert_eq!(stand_in.profiles().len(), 1);
        mengpaneel.shutdown(SOON).await.unwrap();
    }
}

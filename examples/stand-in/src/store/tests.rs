use std::thread;
use std::time::Duration;

use actix_web::rt;
use serde_json::json;

use super::*;
use crate::received::Head;

fn event(endpoint: Endpoint, properties: &Value) -> Entry {
    let head = Arc::new(Head::default());
    let body = json!({"event": "A", "properties": properties});
    Entry::Received(Received::new(endpoint, &head, body))
}

fn counted(copies: [Value; 2]) -> usize {
    let store = Store::default();
    store.add(copies.map(|properties| event(Endpoint::Import, &properties)));
    assert_eq!(store.events().len(), 2);
    store.counted().len()
}

#[test]
fn copies_from_both_endpoints_count_once() {
    let store = Store::default();
    let properties = |more| json!({"time": 1, "distinct_id": "7", "$insert_id": "x", "more": more});
    store.add([
        event(Endpoint::Track, &properties(1)),
        event(Endpoint::Import, &json!({"$insert_id": "y"})),
        event(Endpoint::Import, &properties(2)),
    ]);
    let counted = store.counted();
    assert_eq!(counted.len(), 2);
    assert_eq!(counted[0].property("more"), 2, "the latest copy counts");
    assert_eq!(counted[0].endpoint, Endpoint::Import);
}

#[test]
fn events_that_differ_or_lack_an_insert_id_all_count() {
    let one = json!({"time": 1, "distinct_id": "7", "$insert_id": "x"});
    for (name, value) in [
        ("time", json!(2)),
        ("distinct_id", json!("8")),
        ("$insert_id", json!("y")),
        ("$user_id", json!("8")),
        ("$device_id", json!("d")),
    ] {
        let mut other = one.clone();
        other[name] = value;
        assert_eq!(counted([one.clone(), other]), 2, "{name}");
    }
    let keyless = json!({"time": 1, "distinct_id": "7"});
    assert_eq!(counted([keyless.clone(), keyless]), 2);
    assert_eq!(counted([one.clone(), one]), 1);
}

#[test]
fn profile_applies_all_its_operations() {
    let store = Store::default();
    let head = Arc::new(Head::default());
    let operations = [
        (
            Endpoint::Engage,
            json!({"$distinct_id": "7", "$set": {"a": 1}}),
        ),
        (
            Endpoint::Engage,
            json!({"$distinct_id": "8", "$set": {"a": 2}}),
        ),
        (
            Endpoint::Engage,
            json!({"$distinct_id": "7", "$add": {"a": 2}}),
        ),
        (
            Endpoint::Groups,
            json!({"$group_key": "company", "$group_id": 12, "$set": {"b": 1}}),
        ),
    ];
    store.add(
        operations.map(|(endpoint, body)| Entry::Received(Received::new(endpoint, &head, body))),
    );
    let seven = store.profile("7").map(Value::Object);
    assert_eq!(seven, Some(json!({"a": 3})));
    assert_eq!(store.profile("9"), None);
    assert!(store.group("company", &json!(12)).is_some());
    assert!(store.group("company", &json!("12")).is_none());
}

#[actix_web::test]
async fn wait_ends_when_the_event_arrives() {
    let store = Store::default();
    let sender = store.clone();
    rt::spawn(async move {
        sender.note(Note::default());
        rt::task::yield_now().await;
        sender.add([event(Endpoint::Import, &json!({}))]);
    });
    let found = store.wait_for_event(Duration::from_secs(10), "A").await;
    assert_eq!(found.map(|event| event.event().to_owned()), Ok("A".into()));
}

#[actix_web::test]
async fn timeout_lists_the_received_events() {
    let store = Store::default();
    store.add([event(Endpoint::Import, &json!({"distinct_id": "7"}))]);
    let waited = store.wait_for_event(Duration::ZERO, "B").await;
    assert_eq!(waited.unwrap_err().came, ["/import A of \"7\""]);
}

#[test]
fn thread_waits_without_a_runtime() {
    let store = Store::default();
    let sender = store.clone();
    let sending = thread::spawn(move || {
        sender.note(Note::default());
        sender.add([event(Endpoint::Import, &json!({}))]);
    });
    let first = |store: &Store| store.events().into_iter().next();
    let found = store.wait_blocking(Duration::from_secs(10), first);
    assert_eq!(found.map(|event| event.event().to_owned()), Ok("A".into()));
    sending.join().unwrap();
    let nothing = store.wait_blocking(Duration::ZERO, |_| None::<()>);
    assert_eq!(nothing.unwrap_err().came, ["/import A of \"\""]);
}

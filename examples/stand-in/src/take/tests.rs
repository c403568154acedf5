use std::io::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::*;

fn head(headers: &[(&str, &str)], params: &[(&str, &str)]) -> Arc<Head> {
    let owned = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        pairs.collect()
    };
    Arc::new(Head {
        ip: None,
        params: owned(params),
        headers: owned(headers),
    })
}

fn importing(user: &str, params: &[(&str, &str)], more: &[(&str, &str)]) -> Arc<Head> {
    let basic = format!("Basic {}", BASE64_STANDARD.encode(user));
    let mut headers = vec![
        ("authorization", basic.as_str()),
        ("content-type", "application/json"),
    ];
    headers.extend(more);
    head(&headers, params)
}

fn event(insert_id: &str) -> Value {
    let time = crate::received::now();
    json!({
        "event": "A",
        "properties": {"time": time, "distinct_id": "7", "$insert_id": insert_id, "token": "t"},
    })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn import(head: &Arc<Head>, body: &Value) -> (Answer, Store) {
    let store = Store::default();
    let answer = take(Endpoint::Import, head, body.to_string().as_bytes(), &store);
    (answer, store)
}

#[test]
fn import_takes_a_token_or_a_service_account_with_its_project() {
    let status = |head: &Arc<Head>| import(head, &json!([event("x")])).0.status;
    assert_eq!(status(&importing("token:", &[], &[])), 200);
    assert_eq!(
        status(&importing("user:secret", &[("project_id", "1")], &[])),
        200
    );
    assert_eq!(status(&importing("user:secret", &[], &[])), 401);
    assert_eq!(status(&importing(":", &[], &[])), 401);
    assert_eq!(
        status(&head(&[("content-type", "application/json")], &[])),
        401
    );
}

#[test]
fn of_a_bad_batch_the_good_ones_are_imported() {
    let mut bad = event("b_d");
    let strict = importing("token:", &[("strict", "1")], &[]);
    let batch = json!([event("a"), bad, event("c")]);
    let (answer, store) = import(&strict, &batch);
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body["num_records_imported"], 2);
    let failed = &answer.body["failed_records"];
    assert_eq!(failed.as_array().map(Vec::len), Some(1));
    assert_eq!(failed[0]["index"], 1);
    assert_eq!(failed[0]["insert_id"], "b_d");
    assert_eq!(failed[0]["field"], "properties.$insert_id");
    assert_eq!(store.events().len(), 2);
    assert_eq!(store.refused().len(), 1);

    bad["properties"]["$insert_id"] = json!("b");
    assert_eq!(import(&strict, &json!([bad])).0.status, 200);
}

#[test]
fn without_strict_a_bad_event_disappears_without_a_word() {
    let (answer, store) = import(&importing("token:", &[], &[]), &json!([event("b_d")]));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["num_records_imported"], 0);
    assert!(store.events().is_empty());
}

#[test]
fn import_takes_gzip_and_lines() {
    let store = Store::default();
    let body = gzip(json!([event("a")]).to_string().as_bytes());
    let zipped = importing("token:", &[], &[("content-encoding", "gzip")]);
    assert_eq!(take(Endpoint::Import, &zipped, &body, &store).status, 200);

    let lines = format!("{}\n{}\n", event("b"), event("c"));
    let kind = importing("token:", &[], &[("content-type", "application/x-ndjson")]);
    let answer = take(Endpoint::Import, &kind, lines.as_bytes(), &store);
    assert_eq!(answer.body["num_records_imported"], 2);
    assert_eq!(store.events().len(), 3);
}

#[test]
fn import_says_413_to_too_much_and_400_to_what_it_cannot_read() {
    let strict = importing("token:", &[("strict", "1")], &[]);
    assert_eq!(
        import(&strict, &json!(vec![event("a"); 2_001])).0.status,
        413
    );
    let store = Store::default();
    let status = |bytes: &[u8]| take(Endpoint::Import, &strict, bytes, &store).status;
    assert_eq!(status(&vec![b' '; 10_000_001]), 413);
    assert_eq!(status(b"event=A"), 400);
    let form = importing("token:", &[], &[("content-type", "text/plain")]);
    assert_eq!(import(&form, &json!([])).0.status, 400);
}

#[test]
fn what_a_test_refuses_fails_by_itself() {
    let store = Store::default();
    store.refuse(|event| event["properties"]["$insert_id"] == "b");
    let strict = importing("token:", &[("strict", "1")], &[]);
    let batch = json!([event("a"), event("b")]).to_string();
    let answer = take(Endpoint::Import, &strict, batch.as_bytes(), &store);
    assert_eq!(answer.body["failed_records"][0]["index"], 1);
    store.recover();
    let answer = take(Endpoint::Import, &strict, batch.as_bytes(), &store);
    assert_eq!(answer.status, 200);
}

#[test]
fn track_answers_one_where_anything_was_good() {
    let store = Store::default();
    let track = |body: &str, params: &[(&str, &str)]| {
        take(Endpoint::Track, &head(&[], params), body.as_bytes(), &store)
    };
    let both = json!([event("a"), {"event": ""}]).to_string();
    assert_eq!(track(&both, &[]).body, json!(1));
    assert_eq!(track("data=%7B%7D", &[]).body, json!(0));
    let verbose = track("data=%7B%7D", &[("verbose", "1")]);
    assert_eq!(verbose.status, 200);
    assert_eq!(verbose.body["status"], 0);
    assert!(verbose.body["error"].is_string());
    assert_eq!(store.events().len(), 1);
}

#[test]
fn track_drops_old_events_without_a_word() {
    let store = Store::default();
    let mut old = event("a");
    old["properties"]["time"] = json!(1_000_000_000);
    let body = old.to_string();
    let answer = take(Endpoint::Track, &head(&[], &[]), body.as_bytes(), &store);
    assert_eq!(answer.body, json!(1));
    assert!(store.events().is_empty());
    assert_eq!(store.refused().len(), 1);
}

#[test]
fn profiles_answer_200_even_to_what_is_invalid_and_take_no_gzip() {
    let store = Store::default();
    let good = json!([{"$token": "t", "$distinct_id": "7", "$set": {"a": 1}}]).to_string();
    let plain = head(&[], &[]);
    let status = |endpoint, head, bytes: &[u8]| {
        let answer = take(endpoint, head, bytes, &store);
        (answer.status, answer.body)
    };
    assert_eq!(
        status(Endpoint::Engage, &plain, good.as_bytes()),
        (200, json!(1))
    );
    assert_eq!(
        status(Endpoint::Groups, &plain, good.as_bytes()),
        (200, json!(0))
    );
    assert_eq!(status(Endpoint::Engage, &plain, b"[{}]"), (200, json!(0)));
    let zipped = head(&[("content-encoding", "gzip")], &[]);
    let bytes = gzip(good.as_bytes());
    assert_eq!(status(Endpoint::Engage, &zipped, &bytes), (200, json!(0)));
    assert_eq!(store.profiles().len(), 1);
}

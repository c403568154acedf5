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

fn import_head(user: &str, params: &[(&str, &str)], more: &[(&str, &str)]) -> Arc<Head> {
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

fn import(head: &Arc<Head>, body: &Value) -> (ApiResponse, Store) {
    let store = Store::default();
    let response = handle(Endpoint::Import, head, body.to_string().as_bytes(), &store);
    (response, store)
}

#[test]
fn import_accepts_a_token_or_a_service_account() {
    let status = |head: &Arc<Head>| import(head, &json!([event("x")])).0.status;
    assert_eq!(status(&import_head("token:", &[], &[])), 200);
    assert_eq!(
        status(&import_head("user:secret", &[("project_id", "1")], &[])),
        200
    );
    assert_eq!(status(&import_head("user:secret", &[], &[])), 401);
    assert_eq!(status(&import_head(":", &[], &[])), 401);
    assert_eq!(
        status(&head(&[("content-type", "application/json")], &[])),
        401
    );
}

#[test]
fn import_accepts_the_valid_events_of_a_batch() {
    let mut bad = event("b_d");
    let strict = import_head("token:", &[("strict", "1")], &[]);
    let batch = json!([event("a"), bad, event("c")]);
    let (response, store) = import(&strict, &batch);
    assert_eq!(response.status, 400);
    assert_eq!(response.body["num_records_imported"], 2);
    let failed = &response.body["failed_records"];
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
fn import_drops_invalid_events_silently_without_strict() {
    let (response, store) = import(&import_head("token:", &[], &[]), &json!([event("b_d")]));
    assert_eq!(response.status, 200);
    assert_eq!(response.body["num_records_imported"], 0);
    assert!(store.events().is_empty());
}

#[test]
fn import_accepts_gzip_and_lines() {
    let store = Store::default();
    let body = gzip(json!([event("a")]).to_string().as_bytes());
    let zipped = import_head("token:", &[], &[("content-encoding", "gzip")]);
    assert_eq!(handle(Endpoint::Import, &zipped, &body, &store).status, 200);

    let lines = format!("{}\n{}\n", event("b"), event("c"));
    let kind = import_head("token:", &[], &[("content-type", "application/x-ndjson")]);
    let response = handle(Endpoint::Import, &kind, lines.as_bytes(), &store);
    assert_eq!(response.body["num_records_imported"], 2);
    assert_eq!(store.events().len(), 3);
}

#[test]
fn import_responds_413_if_too_large_and_400_if_malformed() {
    let strict = import_head("token:", &[("strict", "1")], &[]);
    assert_eq!(
        import(&strict, &json!(vec![event("a"); 2_001])).0.status,
        413
    );
    let store = Store::default();
    let status = |bytes: &[u8]| handle(Endpoint::Import, &strict, bytes, &store).status;
    assert_eq!(status(&vec![b' '; 10_000_001]), 413);
    assert_eq!(status(b"event=A"), 400);
    let form = import_head("token:", &[], &[("content-type", "text/plain")]);
    assert_eq!(import(&form, &json!([])).0.status, 400);
}

#[test]
fn injected_rejection_affects_single_events() {
    let store = Store::default();
    store.refuse(|event| event["properties"]["$insert_id"] == "b");
    let strict = import_head("token:", &[("strict", "1")], &[]);
    let batch = json!([event("a"), event("b")]).to_string();
    let response = handle(Endpoint::Import, &strict, batch.as_bytes(), &store);
    assert_eq!(response.body["failed_records"][0]["index"], 1);
    store.recover();
    let response = handle(Endpoint::Import, &strict, batch.as_bytes(), &store);
    assert_eq!(response.status, 200);
}

#[test]
fn track_responds_one_if_any_event_is_valid() {
    let store = Store::default();
    let track = |body: &str, params: &[(&str, &str)]| {
        handle(Endpoint::Track, &head(&[], params), body.as_bytes(), &store)
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
fn track_drops_old_events_silently() {
    let store = Store::default();
    let mut old = event("a");
    old["properties"]["time"] = json!(1_000_000_000);
    let body = old.to_string();
    let response = handle(Endpoint::Track, &head(&[], &[]), body.as_bytes(), &store);
    assert_eq!(response.body, json!(1));
    assert!(store.events().is_empty());
    assert_eq!(store.refused().len(), 1);
}

#[test]
fn profiles_respond_200_if_invalid_and_reject_gzip() {
    let store = Store::default();
    let good = json!([{"$token": "t", "$distinct_id": "7", "$set": {"a": 1}}]).to_string();
    let plain = head(&[], &[]);
    let status = |endpoint, head, bytes: &[u8]| {
        let response = handle(endpoint, head, bytes, &store);
        (response.status, response.body)
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

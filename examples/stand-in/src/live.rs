//! The live page: what arrived, for whom, and by which way, as it comes.

use std::future::ready;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::received::{Endpoint, Received};
use crate::store::{Entry, Store};

/// The most entries in one answer; of older ones only the latest are shown.
const MAX_SHOWN: usize = 300;

const PAGE: &str = include_str!("live.html");

/// Mounts the live page alone (`/live`), in an application that has the stand-in elsewhere.
pub fn live_page(store: &Store) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let store = store.clone();
    move |config| configure(store, config)
}

pub(crate) fn configure(store: Store, config: &mut web::ServiceConfig) {
    config
        .route("/live", web::get().to(page))
        .route("/live", web::head().to(page))
        .route("/live.json", web::get().to(move |since: web::Query<Since>| ready(entries(since.after, &store))));
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    after: u64,
}

async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'",
        ))
        .body(PAGE)
}

fn entries(after: u64, store: &Store) -> HttpResponse {
    let mut shown = store.collect(|(number, entry)| {
        let shown = (*number > after).then(|| show(entry)).flatten()?;
        Some(json!([number, shown]))
    });
    let older = shown.len().saturating_sub(MAX_SHOWN);
    shown.drain(..older);
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(shown)
}

fn show(entry: &Entry) -> Option<Value> {
    match entry {
        Entry::Received(one) => Some(show_received(one)),
        Entry::Refused(one) => Some(json!({
            "kind": "refused",
            "endpoint": one.endpoint.path(),
            "what": one.body["event"],
            "message": one.message,
            "details": one.body,
        })),
        Entry::Note(note, at) => Some(json!({"kind": "note", "at": at, "note": note})),
        Entry::Request(one) if one.status == Some(200) => None,
        Entry::Request(one) => Some(json!({
            "kind": "trouble",
            "endpoint": one.endpoint.path(),
            "status": one.status,
        })),
    }
}

fn show_received(one: &Received) -> Value {
    let event = matches!(one.endpoint, Endpoint::Track | Endpoint::Import);
    let what = if event { one.event().to_owned() } else { operations(&one.body) };
    // Who signed in, where the event says so beside the visitor that it began as.
    let user = if event { one.property("$user_id") } else { &one.body["$user_id"] };
    json!({
        "kind": if event { "event" } else { "profile" },
        "endpoint": one.endpoint.path(),
        "via": one.via,
        "at": one.at,
        "time": one.time(),
        "what": what,
        "whom": user.as_str().or(one.distinct_id()),
        "insert_id": one.insert_id(),
        "details": if event { &one.body["properties"] } else { &one.body },
    })
}

/// The operations of a profile's record: `$set`, or `$set, $add`.
fn operations(record: &Value) -> String {
    let names = record.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let about = [
        "$token",
        "$distinct_id",
        "$device_id",
        "$user_id",
        "$had_persisted_distinct_id",
        "$group_key",
        "$group_id",
        "$ip",
        "$time",
        "$ignore_time",
        "$ignore_alias",
        "$latitude",
        "$longitude",
    ];
    names.filter(|name| !about.contains(name)).collect::<Vec<_>>().join(", ")
}

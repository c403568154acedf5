//! mixpanel-rs, whose batches are of 50; it has no queue.

use figures::{EVENTS, Properties, Run, Sink, properties, user};
use mixpanel_rs::{Config, Event, Mixpanel};
use serde_json::json;

#[tokio::main]
async fn main() {
    let sink = Sink::named();
    let (protocol, host) = sink.url.split_once("://").expect("a URL");
    let config = Config {
        protocol: protocol.to_owned(),
        host: host.to_owned(),
        ..Config::default()
    };
    let mixpanel = Mixpanel::init("token", Some(config));
    let run = Run::begin("mixpanel-rs 0.3");
    let events = (0..EVENTS).map(|number| {
        let Properties {
            title,
            number: count,
            plan,
        } = properties(number);
        let properties = [
            ("distinct_id", json!(user(number))),
            ("Title", json!(title)),
            ("Number", json!(count)),
            ("Plan", json!(plan)),
        ];
        let properties = properties
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Event {
            event: "Create Blog Post".to_owned(),
            properties,
        }
    });
    mixpanel
        .track_batch(events.collect())
        .await
        .expect("all is taken");
    run.end(&sink, EVENTS);
}

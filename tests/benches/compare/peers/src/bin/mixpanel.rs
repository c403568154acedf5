//! mixpanel-rs, which has no queue, and sends batches of 50.

use compare::{EVENTS, Measurement, Properties, SinkClient, properties, user_id};
use mixpanel_rs::{Config, Event, Mixpanel};
use serde_json::json;

#[tokio::main]
async fn main() {
    let sink = SinkClient::from_args();
    let (protocol, host) = sink.url.split_once("://").expect("the URL of the sink");
    let config = Config {
        protocol: protocol.to_owned(),
        host: host.to_owned(),
        ..Config::default()
    };
    let mixpanel = Mixpanel::init("token", Some(config));
    let measurement = Measurement::start("mixpanel-rs 0.3");
    let events = (0..EVENTS).map(|number| {
        let Properties {
            title,
            number: count,
            plan,
        } = properties(number);
        let properties = [
            ("distinct_id", json!(user_id(number))),
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
        .expect("all events are accepted");
    measurement.finish(&sink, EVENTS);
}

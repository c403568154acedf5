//! mengpaneel: each event is a record of its own in the outbox, as requests append them.

use std::time::Duration;

use compare::{EVENTS, Measurement, Properties, SinkClient, properties, user_id};
use mengpaneel::Mengpaneel;
use mengpaneel::outbox::Memory;
use serde::Serialize;

/// Properties of an event, with its user.
#[derive(Serialize)]
struct EventProperties {
    #[serde(rename = "$user_id")]
    user_id: String,
    #[serde(rename = "Title")]
    title: &'static str,
    #[serde(rename = "Number")]
    number: usize,
    #[serde(rename = "Plan")]
    plan: &'static str,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let sink = SinkClient::from_args();
    let outbox = Memory::default().max_records(EVENTS * 2).max_bytes(1 << 30);
    let mengpaneel = Mengpaneel::builder("token")
        .api_host(sink.url.as_str())
        .outbox(outbox)
        .build()
        .expect("valid settings");
    // Each call recorded after the end of its scope is appended to the outbox at once.
    let mixpanel = mengpaneel.scope(async { mengpaneel::current() }).await;
    let mut measurement = Measurement::start("mengpaneel");
    for number in 0..EVENTS {
        let Properties {
            title,
            number: count,
            plan,
        } = properties(number);
        mixpanel.track(
            "Create Blog Post",
            EventProperties {
                user_id: user_id(number),
                title,
                number: count,
                plan,
            },
        );
    }
    measurement.mark_enqueued();
    mengpaneel
        .flush(Duration::from_secs(300))
        .await
        .expect("all events are delivered");
    measurement.finish(&sink, EVENTS);
}

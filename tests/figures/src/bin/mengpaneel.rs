//! mengpaneel: each event a record in the outbox of its own, as requests make them.

use std::time::Duration;

use figures::{EVENTS, Properties, Run, Sink, properties, user};
use mengpaneel::Mengpaneel;
use mengpaneel::outbox::Memory;
use serde::Serialize;

/// What is said of an event, and whose it is.
#[derive(Serialize)]
struct Said {
    #[serde(rename = "$user_id")]
    user: String,
    #[serde(rename = "Title")]
    title: &'static str,
    #[serde(rename = "Number")]
    number: usize,
    #[serde(rename = "Plan")]
    plan: &'static str,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let sink = Sink::named();
    let outbox = Memory::default().max_records(EVENTS * 2).max_bytes(1 << 30);
    let mengpaneel = Mengpaneel::builder("token")
        .api_host(sink.url.as_str())
        .outbox(outbox)
        .build()
        .expect("it is built");
    // What is recorded after its scope has ended goes to the outbox by itself.
    let mixpanel = mengpaneel.scope(async { mengpaneel::current() }).await;
    let mut run = Run::begin("mengpaneel");
    for number in 0..EVENTS {
        let Properties {
            title,
            number,
            plan,
        } = properties(number);
        mixpanel.track(
            "Create Blog Post",
            Said {
                user: user(number),
                title,
                number,
                plan,
            },
        );
    }
    run.enqueued();
    mengpaneel
        .flush(Duration::from_secs(300))
        .await
        .expect("all is delivered");
    run.end(&sink, EVENTS);
}

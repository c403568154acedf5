//! posthog-rs, with the batch size of mengpaneel and a queue that holds all events.

use compare::{EVENTS, Measurement, SinkClient, properties, user_id};
use posthog_rs::{ClientOptionsBuilder, Event};

#[tokio::main]
async fn main() {
    let sink = SinkClient::from_args();
    let options = ClientOptionsBuilder::default()
        .api_key("token".to_owned())
        .host(sink.url.as_str())
        .flush_at(2_000_usize)
        .max_batch_size(2_000_usize)
        .max_queue_size(EVENTS * 2)
        .build()
        .expect("valid options");
    let client = posthog_rs::client(options).await;
    let mut measurement = Measurement::start("posthog-rs 0.30");
    for number in 0..EVENTS {
        let mut event = Event::new("Create Blog Post".to_owned(), user_id(number));
        let properties = properties(number);
        event.insert_prop("Title", properties.title).expect("JSON");
        event
            .insert_prop("Number", properties.number)
            .expect("JSON");
        event.insert_prop("Plan", properties.plan).expect("JSON");
        client.capture(event);
    }
    measurement.mark_enqueued();
    client.flush().await;
    measurement.finish(&sink, EVENTS);
}

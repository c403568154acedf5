//! Baseline: batches of 2,000 prepared events are encoded as JSON and posted.

use compare::{EVENTS, Measurement, SinkClient, properties, user_id};
use serde_json::{Value, json};

const BATCH_SIZE: usize = 2_000;

fn main() {
    let sink = SinkClient::from_args();
    let batch: Vec<Value> = (0..BATCH_SIZE)
        .map(|number| {
            let mut properties = json!(properties(number));
            properties["distinct_id"] = user_id(number).into();
            json!({"event": "Create Blog Post", "properties": properties})
        })
        .collect();
    let client = reqwest::blocking::Client::new();
    let measurement = Measurement::start("baseline");
    for _ in 0..EVENTS / BATCH_SIZE {
        let response = client
            .post(format!("{}/import", sink.url))
            .json(&batch)
            .send()
            .expect("a response");
        assert!(response.status().is_success());
    }
    measurement.finish(&sink, EVENTS);
}

//! The floor: batches of 2,000 that stand ready are written as JSON and posted.

use figures::{EVENTS, Run, Sink, properties, user};
use serde_json::{Value, json};

fn main() {
    let sink = Sink::named();
    let batch: Vec<Value> = (0..2_000)
        .map(|number| {
            let mut properties = json!(properties(number));
            properties["distinct_id"] = user(number).into();
            json!({"event": "Create Blog Post", "properties": properties})
        })
        .collect();
    let client = reqwest::blocking::Client::new();
    let run = Run::begin("floor");
    for _ in 0..EVENTS / 2_000 {
        let answer = client
            .post(format!("{}/import", sink.url))
            .json(&batch)
            .send()
            .expect("an answer");
        assert!(answer.status().is_success());
    }
    run.end(&sink, EVENTS);
}

//! The blog's process, told to end while it works.

mod common;

use std::time::Duration;

use common::Process;
use reqwest::{Client, StatusCode};
use stand_in::StandIn;
use tokio::sync::mpsc::unbounded_channel;

const DEADLINE: Duration = Duration::from_secs(30);

#[actix_web::test]
async fn told_to_end_under_load_it_delivers_what_waits_and_what_it_had_begun_to_answer() {
    let mixpanel = StandIn::start();
    let host = mixpanel.url();
    let mut process = Process::start(&[
        ("MIXPANEL_API_HOST", &host),
        ("MIXPANEL_JS_API_HOST", &host),
    ]);
    let url = process.url.clone();
    // Nothing gets through: all of it waits.
    mixpanel.stall();
    let (progress, mut made) = unbounded_channel();
    let mut asking = Vec::new();
    for visitor in 0..8 {
        let (url, progress) = (url.clone(), progress.clone());
        asking.push(actix_web::rt::spawn(async move {
            let client = Client::builder().cookie_store(true).build().unwrap();
            let form = [
                ("email", format!("{visitor}@blog.example")),
                ("first_name", "Ada".to_owned()),
            ];
            let mut created = 0;
            // Until the process takes no more.
            let signed_up = client.post(format!("{url}/users")).form(&form).send().await;
            let mut went_well = signed_up.is_ok_and(|response| response.status().is_success());
            while went_well {
                let post = client
                    .post(format!("{url}/posts"))
                    .header("accept", "application/json");
                let answer = post
                    .json(&serde_json::json!({"title": "T", "body": "B"}))
                    .send()
                    .await;
                went_well = answer.is_ok_and(|answer| answer.status() == StatusCode::CREATED);
                created += usize::from(went_well);
                let _ = progress.send(());
            }
            created
        }));
    }
    for _ in 0..40 {
        tokio::time::timeout(DEADLINE, made.recv()).await.unwrap();
    }
    process.terminate();
    mixpanel.recover();
    let mut answered = 0;
    for visitor in asking {
        answered += visitor.await.unwrap();
    }
    let ended = actix_web::web::block(move || process.wait()).await.unwrap();
    assert!(ended.success(), "{ended}");
    let events = mixpanel.counted_as("Create Blog Post").len();
    assert!(
        answered > 0 && events >= answered,
        "{answered} answered, {events} arrived"
    );
}

//! Shutdown of the blog's process under load.

mod common;

use std::time::Duration;

use common::Process;
use reqwest::{Client, StatusCode};
use stand_in::StandIn;
use tokio::sync::mpsc::unbounded_channel;

const DEADLINE: Duration = Duration::from_secs(30);

#[actix_web::test]
async fn sigterm_under_load_delivers_all_recorded_events() {
    let mixpanel = StandIn::start();
    let host = mixpanel.url();
    let mut process = Process::start(&[
        ("MIXPANEL_API_HOST", &host),
        ("MIXPANEL_JS_API_HOST", &host),
    ]);
    let url = process.url.clone();
    // The stand-in holds all deliveries.
    mixpanel.stall();
    let (progress, mut created_posts) = unbounded_channel();
    let mut visitors = Vec::new();
    for visitor in 0..8 {
        let (url, progress) = (url.clone(), progress.clone());
        visitors.push(actix_web::rt::spawn(async move {
            let client = Client::builder().cookie_store(true).build().unwrap();
            let form = [
                ("email", format!("{visitor}@blog.example")),
                ("first_name", "Ada".to_owned()),
            ];
            let mut created = 0;
            // Repeats until the process refuses requests.
            let signed_up = client.post(format!("{url}/users")).form(&form).send().await;
            let mut succeeded = signed_up.is_ok_and(|response| response.status().is_success());
            while succeeded {
                let post = client
                    .post(format!("{url}/posts"))
                    .header("accept", "application/json");
                let response = post
                    .json(&serde_json::json!({"title": "T", "body": "B"}))
                    .send()
                    .await;
                succeeded = response.is_ok_and(|response| response.status() == StatusCode::CREATED);
                created += usize::from(succeeded);
                let _ = progress.send(());
            }
            created
        }));
    }
    for _ in 0..40 {
        tokio::time::timeout(DEADLINE, created_posts.recv())
            .await
            .unwrap();
    }
    process.terminate();
    mixpanel.recover();
    let mut created = 0;
    for visitor in visitors {
        created += visitor.await.unwrap();
    }
    let exit_status = actix_web::web::block(move || process.wait()).await.unwrap();
    assert!(exit_status.success(), "{exit_status}");
    let events = mixpanel.counted_as("Create Blog Post").len();
    assert!(
        created > 0 && events >= created,
        "{created} posts created, {events} events received"
    );
}

//! Events of the blog at the stand-in, and the strategies that delivered them.

mod common;

use std::time::Duration;

use blog::{Blog, Config};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

const TIMEOUT: Duration = Duration::from_secs(20);

fn start(token: &str) -> (Blog, Client) {
    let config = Config {
        token: token.to_owned(),
        ..common::config()
    };
    let client = Client::builder()
        .cookie_store(true)
        .redirect(Policy::none())
        .build()
        .unwrap();
    (Blog::start(config).unwrap(), client)
}

async fn sign_up(blog: &Blog, client: &Client) -> Response {
    let form = [("email", "ada@blog.example"), ("first_name", "Ada")];
    client
        .post(blog.url() + "/users")
        .form(&form)
        .header(ACCEPT, "text/html")
        .send()
        .await
        .unwrap()
}

async fn home(blog: &Blog, client: &Client) -> String {
    client
        .get(blog.url())
        .header(ACCEPT, "text/html")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

/// Strategies that accepted calls, each with the events of those calls.
fn accepted_by(blog: &Blog) -> Vec<(String, Vec<String>)> {
    let notes = blog.stand_in().notes().into_iter();
    notes
        .filter(|note| note.declined.is_none())
        .map(|note| (note.strategy, note.events))
        .collect()
}

#[actix_web::test]
async fn sign_up_is_delivered_by_the_next_page() {
    let (blog, client) = start("demo");
    sign_up(&blog, &client).await;
    let page = home(&blog, &client).await;
    let position = |call: &str| {
        page.find(call)
            .unwrap_or_else(|| panic!("{call} in {page}"))
    };
    let calls = [
        "this.identify(\"1\")",
        "this.people.set(",
        "this.track(\"Sign Up\"",
        "View Home",
    ];
    assert!(calls.map(position).is_sorted());
    let expected = [
        ("delayed", vec!["Sign Up"]),
        ("client_side", vec!["Sign Up", "View Home"]),
    ];
    let expected = expected.map(|(name, events)| {
        (
            name.to_owned(),
            events.into_iter().map(str::to_owned).collect::<Vec<_>>(),
        )
    });
    assert_eq!(accepted_by(&blog), expected);
}

#[actix_web::test]
async fn payment_belongs_to_the_payer_and_uses_the_server() {
    let (blog, client) = start("demo");
    sign_up(&blog, &client).await;
    let notify = async |id: &'static str, status: &'static str| {
        let notice = client
            .post(blog.url() + "/payments/notify")
            .form(&[("payment_id", id), ("status", status)]);
        notice
            .basic_auth("payments", Some("ftw"))
            .send()
            .await
            .unwrap();
    };
    notify("1", "payment_failed").await;
    notify("1", "payment_complete").await;
    let event = blog
        .stand_in()
        .wait_for_event(TIMEOUT, "Complete Payment")
        .await
        .unwrap();
    assert_eq!(event.distinct_id(), Some("1"));
    assert_eq!(event.property("Payment ID"), 1);
    assert_eq!(event.property("Amount"), 12.5);
    notify("nobody's", "payment_complete").await;
    let both = |store: &stand_in::Store| {
        Some(store.counted_as("Complete Payment")).filter(|events| events.len() == 2)
    };
    let events = blog.stand_in().wait_for(TIMEOUT, both).await.unwrap();
    assert_eq!(events[1].property("Payment ID"), "nobody's");
    assert!(blog.stand_in().refused().is_empty());
}

#[actix_web::test]
async fn stop_delivers_pending_events() {
    let (blog, client) = start("demo");
    sign_up(&blog, &client).await;
    let post = client
        .post(blog.url() + "/posts")
        .header(ACCEPT, "application/json")
        .form(&[("title", "One")]);
    assert_eq!(post.send().await.unwrap().status(), 201);
    let store = blog.stand_in().store();
    blog.stop();
    assert_eq!(
        store.counted_as("Create Blog Post")[0].property("Title"),
        "One"
    );
}

#[actix_web::test]
async fn pages_do_not_mention_mixpanel_without_a_token() {
    let (blog, client) = start("");
    let signed_up = sign_up(&blog, &client).await;
    assert_eq!(signed_up.status(), 303);
    assert!(!home(&blog, &client).await.contains("mixpanel."));
    assert!(accepted_by(&blog).is_empty());
}

#[actix_web::test]
async fn live_page_is_not_tracked() {
    let (blog, client) = start("demo");
    let live = client
        .get(blog.live_url())
        .header(ACCEPT, "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(live.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert!(!live.text().await.unwrap().contains("window.mixpanel=[]"));
    assert!(
        client
            .get(blog.live_url() + ".json")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .starts_with('[')
    );
    assert!(blog.stand_in().notes().is_empty());
}

#[actix_web::test]
async fn job_delivers_its_event_through_the_outbox() {
    let (blog, _) = start("demo");
    blog::renew_subscription(blog.mengpaneel(), 3, 1).await;
    let event = blog
        .stand_in()
        .wait_for_event(TIMEOUT, "Renew Subscription")
        .await
        .unwrap();
    assert_eq!(event.distinct_id(), Some("1"));
    assert_eq!(event.property("Subscription ID"), 3);
}

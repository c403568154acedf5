//! Delivery by the server: `before_send`, an unavailable Mixpanel, and order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use mengpaneel::{Builder, Endpoint, Failure, Mengpaneel, Mixpanel, Reason, Strategy};
use mengpaneel_tests::{TIMEOUT, TestApp, TestClient, event_names};
use serde_json::json;
use stand_in::StandIn;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[get("/event/{name}")]
async fn event(name: web::Path<String>) -> HttpResponse {
    mengpaneel::identify("7");
    mengpaneel::people().set(json!({"Plan": "Pro", "Email": "ada@blog.example"}));
    mengpaneel::track(name.as_str(), json!({"Email": "ada@blog.example"}));
    HttpResponse::Ok().finish()
}

#[get("/synchronous/{name}")]
async fn synchronous(name: web::Path<String>, mixpanel: Mixpanel) -> HttpResponse {
    mixpanel.prefer(Strategy::ServerSide);
    mixpanel.track(name.as_str(), ());
    HttpResponse::Ok().finish()
}

#[get("/invalid")]
async fn invalid(mixpanel: Mixpanel) -> HttpResponse {
    mixpanel.prefer(Strategy::ServerSide);
    mixpanel.track("Accepted", ());
    mixpanel.track("Secret", ());
    let properties: serde_json::Map<_, _> = (0..300)
        .map(|number| (number.to_string(), json!(1)))
        .collect();
    mixpanel.track("Too Many Properties", properties);
    HttpResponse::Ok().finish()
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(event).service(synchronous).service(invalid);
}

/// Starts a server, and collects the failures that `on_error` receives.
fn start_app(build: impl FnOnce(Builder) -> Builder) -> (TestApp, UnboundedReceiver<Failure>) {
    let (send, failures) = unbounded_channel();
    let app = TestApp::build(routes, |builder| {
        build(builder).on_error(move |failure| drop(send.send(failure.clone())))
    });
    (app, failures)
}

async fn get(app: &TestApp, path: &str) {
    let page = TestClient::machine(&app.url).get(path).send().await;
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn before_send_changes_and_drops_messages() {
    let (app, mut failures) = start_app(|builder| {
        builder.before_send(|message| {
            let field = if message.endpoint == Endpoint::Events {
                "properties"
            } else {
                "$set"
            };
            message.body[field]["Email"] = json!("***");
            message.body["event"] != "Secret"
        })
    });
    get(&app, "/event/Open").await;
    get(&app, "/event/Secret").await;
    let events = app.flush_and_collect().await;
    assert_eq!(event_names(&events), ["Open"]);
    assert_eq!(events[0].property("Email"), "***");
    assert_eq!(app.stand_in.profile("7").unwrap()["Email"], json!("***"));
    assert!(
        failures.try_recv().is_err(),
        "a message that `before_send` drops is no failure"
    );
}

#[tokio::test]
async fn panic_in_before_send_is_reported_and_drops_one_message() {
    let (app, mut failures) = start_app(|builder| {
        builder.before_send(|message| {
            assert!(message.body["event"] != "Secret", "on purpose");
            true
        })
    });
    get(&app, "/event/Secret").await;
    get(&app, "/event/Open").await;
    assert_eq!(event_names(&app.flush_and_collect().await), ["Open"]);
    assert_eq!(
        failures.try_recv().unwrap().calls[0].str_arg(0),
        Some("Secret")
    );
}

#[tokio::test]
async fn unavailable_mixpanel_moves_sync_calls_to_the_outbox() {
    let (app, mut failures) = start_app(|builder| builder);
    app.stand_in.fail_with(503);
    for name in ["first", "second", "third"] {
        get(&app, &format!("/synchronous/{name}")).await;
    }
    assert_eq!(app.stand_in.requests().len(), 1, "one probe");
    let health = app.mengpaneel.health().await;
    assert!(!health.is_healthy() && health.error.is_some_and(|why| why.contains("503")));
    assert_eq!(health.pending, 3);

    app.stand_in.recover();
    app.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(
        event_names(&app.stand_in.counted()),
        ["first", "second", "third"]
    );
    assert!(failures.try_recv().is_err(), "nothing is lost");
    let health = app.mengpaneel.health().await;
    assert_eq!(
        (health.pending, health.oldest_age, health.is_healthy()),
        (0, None, true)
    );
}

#[tokio::test]
async fn retried_sync_call_is_translated_and_reported_once() {
    static SEEN_MESSAGES: AtomicUsize = AtomicUsize::new(0);
    let (app, mut failures) = start_app(|builder| {
        builder.before_send(|message| {
            SEEN_MESSAGES.fetch_add(1, Ordering::Relaxed);
            message.body["event"] != "Secret"
        })
    });
    app.stand_in.fail_with(503);
    get(&app, "/invalid").await;
    let failure = failures.try_recv().unwrap();
    assert!(
        matches!(failure.reason, Reason::Unsupported(_)),
        "{failure}"
    );
    app.stand_in.recover();
    assert_eq!(event_names(&app.flush_and_collect().await), ["Accepted"]);
    assert_eq!(
        SEEN_MESSAGES.load(Ordering::Relaxed),
        2,
        "each message once"
    );
    assert!(failures.try_recv().is_err(), "reported once");
}

#[tokio::test]
async fn circuit_opens_without_outbox_after_one_timeout() {
    let (app, mut failures) =
        start_app(|builder| builder.no_outbox().timeout(Duration::from_secs(2)));
    app.stand_in.stall();
    for name in ["first", "second", "third"] {
        get(&app, &format!("/event/{name}")).await;
        let failure = failures.try_recv().unwrap();
        assert!(matches!(failure.reason, Reason::Abandoned(_)), "{failure}");
        while failures.try_recv().is_ok() {}
    }
    // Events and profiles are sent to two endpoints at the same time.
    assert!(
        app.stand_in.requests().len() <= 2,
        "{:?}",
        app.stand_in.requests()
    );
}

#[tokio::test]
async fn repeated_profile_is_sent_once() {
    let (app, _failures) = start_app(|builder| builder);
    for name in ["a", "b", "c"] {
        get(&app, &format!("/event/{name}")).await;
    }
    assert_eq!(app.flush_and_collect().await.len(), 3);
    assert_eq!(app.stand_in.profiles().len(), 1);
}

#[tokio::test]
async fn many_events_arrive_once_and_in_order_per_user() {
    let stand_in = StandIn::start();
    let mengpaneel = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .build()
        .unwrap();
    let calls = (0..9_000_u32).map(|number| async move {
        mengpaneel::track(
            "Count",
            json!({"$user_id": format!("u{}", number % 30), "Number": number}),
        );
    });
    mengpaneel
        .scope_now(futures_util::future::join_all(calls))
        .await
        .1
        .unwrap();
    let events = stand_in.events();
    assert_eq!((events.len(), stand_in.counted().len()), (9_000, 9_000));
    for user in 0..30 {
        let id = format!("u{user}");
        let of_user = events
            .iter()
            .filter(|received| received.distinct_id() == Some(&id));
        let numbers = of_user.map(|received| received.property("Number").as_u64());
        assert!(numbers.is_sorted());
    }
}

//! What the server delivers: the application's word on it, and what a dead Mixpanel costs.

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

#[get("/at_once/{name}")]
async fn at_once(name: web::Path<String>, mixpanel: Mixpanel) -> HttpResponse {
    mixpanel.force(Strategy::ServerSide);
    mixpanel.track(name.as_str(), ());
    HttpResponse::Ok().finish()
}

#[get("/refused")]
async fn refused(mixpanel: Mixpanel) -> HttpResponse {
    mixpanel.force(Strategy::ServerSide);
    mixpanel.track("Taken", ());
    mixpanel.track("Secret", ());
    let many: serde_json::Map<_, _> = (0..300)
        .map(|number| (number.to_string(), json!(1)))
        .collect();
    mixpanel.track("Too much", many);
    HttpResponse::Ok().finish()
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(event).service(at_once).service(refused);
}

/// A app, and what its `on_error` hears.
fn start_app(build: impl FnOnce(Builder) -> Builder) -> (TestApp, UnboundedReceiver<Failure>) {
    let (send, told) = unbounded_channel();
    let app = TestApp::build(routes, |builder| {
        build(builder).on_error(move |failure| drop(send.send(failure.clone())))
    });
    (app, told)
}

async fn ask(app: &TestApp, path: &str) {
    let page = TestClient::machine(&app.url).get(path).send().await;
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn the_application_may_change_or_drop_each_message_before_it_is_sent() {
    let (app, mut told) = start_app(|builder| {
        builder.before_send(|message| {
            let holder = if message.endpoint == Endpoint::Events {
                "properties"
            } else {
                "$set"
            };
            message.body[holder]["Email"] = json!("***");
            message.body["event"] != "Secret"
        })
    });
    ask(&app, "/event/Open").await;
    ask(&app, "/event/Secret").await;
    let events = app.flush_and_collect().await;
    assert_eq!(event_names(&events), ["Open"]);
    assert_eq!(events[0].property("Email"), "***");
    assert_eq!(app.stand_in.profile("7").unwrap()["Email"], json!("***"));
    assert!(
        told.try_recv().is_err(),
        "what is dropped on purpose is no failure"
    );
}

#[tokio::test]
async fn what_the_hook_panics_on_is_told_and_not_sent_and_the_rest_goes_on() {
    let (app, mut told) = start_app(|builder| {
        builder.before_send(|message| {
            assert!(message.body["event"] != "Secret", "on purpose");
            true
        })
    });
    ask(&app, "/event/Secret").await;
    ask(&app, "/event/Open").await;
    assert_eq!(event_names(&app.flush_and_collect().await), ["Open"]);
    assert_eq!(told.try_recv().unwrap().calls[0].str_arg(0), Some("Secret"));
}

#[tokio::test]
async fn while_mixpanel_is_away_what_was_to_be_sent_at_once_waits_in_the_outbox() {
    let (app, mut told) = start_app(|builder| builder);
    app.stand_in.fail_with(503);
    for name in ["first", "second", "third"] {
        ask(&app, &format!("/at_once/{name}")).await;
    }
    assert_eq!(app.stand_in.requests().len(), 1, "one probe");
    let health = app.mengpaneel.health().await;
    assert!(!health.is_well() && health.trouble.is_some_and(|why| why.contains("503")));
    assert_eq!(health.waiting, 3);

    app.stand_in.recover();
    app.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(
        event_names(&app.stand_in.counted()),
        ["first", "second", "third"]
    );
    assert!(told.try_recv().is_err(), "nothing is lost");
    let health = app.mengpaneel.health().await;
    assert_eq!(
        (health.waiting, health.oldest, health.is_well()),
        (0, None, true)
    );
}

#[tokio::test]
async fn what_waits_after_an_attempt_at_once_was_looked_at_and_told_of_once() {
    static LOOKED_AT: AtomicUsize = AtomicUsize::new(0);
    let (app, mut told) = start_app(|builder| {
        builder.before_send(|message| {
            LOOKED_AT.fetch_add(1, Ordering::Relaxed);
            message.body["event"] != "Secret"
        })
    });
    app.stand_in.fail_with(503);
    ask(&app, "/refused").await;
    let failure = told.try_recv().unwrap();
    assert!(
        matches!(failure.reason, Reason::Untranslatable(_)),
        "{failure}"
    );
    app.stand_in.recover();
    assert_eq!(event_names(&app.flush_and_collect().await), ["Taken"]);
    assert_eq!(LOOKED_AT.load(Ordering::Relaxed), 2, "each message once");
    assert!(told.try_recv().is_err(), "told once");
}

#[tokio::test]
async fn without_an_outbox_a_dead_mixpanel_is_asked_once_and_the_others_do_not_wait_for_it() {
    let (app, mut told) = start_app(|builder| builder.no_outbox().timeout(Duration::from_secs(2)));
    app.stand_in.stall();
    for name in ["first", "second", "third"] {
        ask(&app, &format!("/event/{name}")).await;
        let failure = told.try_recv().unwrap();
        assert!(matches!(failure.reason, Reason::GivenUp(_)), "{failure}");
        while told.try_recv().is_ok() {}
    }
    // Events and profiles go to their endpoints at the same time.
    assert!(
        app.stand_in.requests().len() <= 2,
        "{:?}",
        app.stand_in.requests()
    );
}

#[tokio::test]
async fn the_same_profile_is_not_set_again_on_each_request() {
    let (app, _told) = start_app(|builder| builder);
    for name in ["a", "b", "c"] {
        ask(&app, &format!("/event/{name}")).await;
    }
    assert_eq!(app.flush_and_collect().await.len(), 3);
    assert_eq!(app.stand_in.profiles().len(), 1);
}

#[tokio::test]
async fn many_events_of_many_users_arrive_each_once_and_each_users_in_order() {
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
        let own = events.iter().filter(|one| one.distinct_id() == Some(&id));
        assert!(own.map(|one| one.property("Number").as_u64()).is_sorted());
    }
}

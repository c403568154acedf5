//! What waits in the outbox, on Mixpanel's bad days.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use mengpaneel::outbox::{File, Memory, Outbox, Redis};
use mengpaneel::{Builder, Call, Calls, Failure, Method, Parcel, Reason};
use mengpaneel_tests::{TIMEOUT, TestApp, TestClient, event_names};
use serde_json::json;
use stand_in::{Endpoint, Received};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[get("/event/{name}")]
async fn event(name: web::Path<String>) -> HttpResponse {
    mengpaneel::track(name.as_str(), ());
    HttpResponse::Ok().finish()
}

#[get("/both")]
async fn both() -> HttpResponse {
    mengpaneel::identify("7");
    mengpaneel::track("Counted", ());
    mengpaneel::people().increment("Posts", 1);
    HttpResponse::Ok().finish()
}

#[get("/named/{name}")]
async fn named(name: web::Path<String>) -> HttpResponse {
    mengpaneel::identify("7");
    mengpaneel::track("Named", ());
    mengpaneel::people().set(json!({"Name": name.as_str()}));
    HttpResponse::Ok().finish()
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(event).service(both).service(named);
}

/// A app, and what its `on_error` hears.
fn start_app(build: impl FnOnce(Builder) -> Builder) -> (TestApp, UnboundedReceiver<Failure>) {
    let (send, told) = unbounded_channel();
    let app = TestApp::build(routes, |builder| {
        build(builder).on_error(move |failure| drop(send.send(failure.clone())))
    });
    (app, told)
}

async fn next(told: &mut UnboundedReceiver<Failure>) -> Failure {
    tokio::time::timeout(TIMEOUT, told.recv())
        .await
        .expect("a failure is told")
        .expect("a failure")
}

async fn ask(app: &TestApp, path: &str) {
    TestClient::machine(&app.url).get(path).send().await;
}

#[tokio::test]
async fn wrong_credentials_are_told_once_and_what_waits_is_delivered_when_they_are_right() {
    let (app, mut told) = start_app(|builder| builder);
    app.stand_in.fail_with(401);
    ask(&app, "/event/first").await;
    assert!(matches!(
        next(&mut told).await.reason,
        Reason::Unauthorized(_)
    ));
    ask(&app, "/event/second").await;
    let requests = app.stand_in.requests().len();
    app.stand_in
        .wait_for(TIMEOUT, |store| {
            (store.requests().len() > requests).then_some(())
        })
        .await
        .unwrap();
    app.stand_in.recover();
    let mut arrived = app.flush_and_collect().await;
    arrived.sort_by_key(Received::time);
    assert_eq!(event_names(&arrived), ["first", "second"]);
    assert!(told.try_recv().is_err(), "told once");
}

async fn a_status_is_told_once_and_what_waits_is_delivered_when_it_is_over(status: u16) {
    // Long, since a busy machine must not leave the increment in doubt.
    let (app, mut told) =
        start_app(|builder| builder.concurrency(2).timeout(Duration::from_secs(60)));
    app.stand_in.fail_with(status);
    ask(&app, "/both").await;
    assert!(
        matches!(next(&mut told).await.reason, Reason::NotServed(_)),
        "{status}"
    );
    ask(&app, "/event/second").await;
    let requests = app.stand_in.requests().len();
    app.stand_in
        .wait_for(TIMEOUT, |store| {
            (store.requests().len() > requests).then_some(())
        })
        .await
        .unwrap();
    app.stand_in.recover();
    let mut arrived = app.flush_and_collect().await;
    arrived.sort_by_key(Received::time);
    assert_eq!(event_names(&arrived), ["Counted", "second"], "{status}");
    assert_eq!(
        app.stand_in.profile("7").unwrap()["Posts"],
        json!(1),
        "{status}: counted once"
    );
    assert_eq!(told.try_recv().ok(), None, "{status}: told once");
}

#[tokio::test]
async fn a_host_that_is_no_mixpanel_for_a_while_loses_nothing() {
    let statuses = [301, 302, 307, 308, 404, 405, 407, 410, 421, 426];
    let all = statuses.map(a_status_is_told_once_and_what_waits_is_delivered_when_it_is_over);
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn after_an_answer_that_never_came_an_event_is_sent_again_and_an_increment_is_not() {
    let (app, mut told) = start_app(|builder| builder.timeout(Duration::from_secs(5)));
    app.stand_in.lose_answers();
    ask(&app, "/both").await;
    let failure = next(&mut told).await;
    assert!(matches!(failure.reason, Reason::InDoubt(_)), "{failure}");
    assert_eq!(failure.calls[0].method().to_string(), "people.increment");
    app.stand_in.recover();
    let arrived = app.flush_and_collect().await;
    assert_eq!(event_names(&arrived), ["Counted"], "counted once");
    assert!(app.stand_in.events().len() > 1, "and sent again");
    assert_eq!(app.stand_in.profile("7").unwrap()["Posts"], json!(1));
}

async fn events_are_sent_once_though_profiles_fail(outbox: impl Outbox) {
    let (app, mut told) = start_app(|builder| builder.outbox(outbox));
    app.stand_in.fail_at(Endpoint::Engage, 503);
    ask(&app, "/named/Ada").await;
    let sent = |requests: &[stand_in::Request], to| {
        requests.iter().filter(|one| one.endpoint == to).count()
    };
    let tried =
        |store: &stand_in::Store| (sent(&store.requests(), Endpoint::Engage) >= 2).then_some(());
    app.stand_in.wait_for(TIMEOUT, tried).await.unwrap();
    assert_eq!(app.stand_in.profile("7"), None);
    app.stand_in.recover();
    assert_eq!(event_names(&app.flush_and_collect().await), ["Named"]);
    assert_eq!(app.stand_in.profile("7").unwrap()["Name"], json!("Ada"));
    assert_eq!(
        sent(&app.stand_in.requests(), Endpoint::Import),
        1,
        "{:?}",
        app.stand_in.requests()
    );
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn what_went_to_import_is_not_sent_again_from_memory_because_engage_failed() {
    events_are_sent_once_though_profiles_fail(Memory::default()).await;
}

#[tokio::test]
async fn what_went_to_import_is_not_sent_again_from_a_file_because_engage_failed() {
    let folder = std::env::temp_dir().join(format!("mengpaneel-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    events_are_sent_once_though_profiles_fail(File::at(folder.join("outbox"))).await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_went_to_import_is_not_sent_again_from_redis_because_engage_failed() {
    let redis = mengpaneel_tests::TestRedis::start();
    events_are_sent_once_though_profiles_fail(Redis::at(redis.url())).await;
}

#[tokio::test]
async fn of_a_bad_batch_the_good_events_count_and_the_bad_one_is_told() {
    let (app, mut told) = start_app(|builder| builder);
    app.stand_in.refuse(|record| record["event"] == "bad");
    // They wait for each other, and go in one batch.
    app.stand_in.fail_next(1, 503);
    for name in ["good", "bad", "better"] {
        ask(&app, &format!("/event/{name}")).await;
    }
    let failure = next(&mut told).await;
    assert!(matches!(failure.reason, Reason::Refused(_)), "{failure}");
    assert_eq!(failure.calls[0].str_arg(0), Some("bad"));
    let mut arrived = app.flush_and_collect().await;
    arrived.sort_by_key(Received::time);
    assert_eq!(event_names(&arrived), ["good", "better"]);
}

#[tokio::test]
async fn what_is_older_than_the_bound_is_given_up_and_told() {
    let (app, mut told) = start_app(|builder| builder.retry_for(Duration::ZERO));
    app.stand_in.fail_with(503);
    ask(&app, "/event/old").await;
    let failure = next(&mut told).await;
    assert!(matches!(failure.reason, Reason::GivenUp(_)), "{failure}");
    assert_eq!(failure.calls[0].str_arg(0), Some("old"));
}

async fn a_dead_letter_is_delivered_once_it_is_put_back(outbox: impl Outbox) {
    let outbox: Arc<dyn Outbox> = Arc::new(outbox);
    let (app, mut told) = start_app(|builder| {
        builder
            .outbox(Arc::clone(&outbox))
            .retry_for(Duration::ZERO)
    });
    app.stand_in.fail_with(503);
    ask(&app, "/event/old").await;
    assert!(matches!(next(&mut told).await.reason, Reason::GivenUp(_)));
    app.stand_in.recover();
    let requeued = async {
        // It is reported before it is buried.
        while outbox.requeue(10).await != Ok(1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, requeued)
        .await
        .expect("there is a dead letter");
    assert_eq!(event_names(&app.flush_and_collect().await), ["old"]);
    assert_eq!(outbox.buried(10).await, Ok(vec![]));
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_dead_letter_of_a_file_is_delivered_once_it_is_put_back() {
    let place = std::env::temp_dir().join(format!("mengpaneel-{}", uuid::Uuid::new_v4()));
    a_dead_letter_is_delivered_once_it_is_put_back(File::at(&place)).await;
    std::fs::remove_file(place).unwrap();
}

#[tokio::test]
async fn a_dead_letter_of_redis_is_delivered_once_it_is_put_back() {
    let redis = mengpaneel_tests::TestRedis::start();
    a_dead_letter_is_delivered_once_it_is_put_back(Redis::at(redis.url())).await;
}

#[tokio::test]
async fn no_record_grows_too_old_while_credentials_are_refused() {
    let (app, mut told) = start_app(|builder| builder.retry_for(Duration::ZERO));
    app.stand_in.fail_with(401);
    ask(&app, "/event/old").await;
    let failure = next(&mut told).await;
    assert!(
        matches!(failure.reason, Reason::Unauthorized(_)),
        "{failure}"
    );
    let requests = app.stand_in.requests().len();
    app.stand_in
        .wait_for(TIMEOUT, |store| {
            (store.requests().len() > requests).then_some(())
        })
        .await
        .unwrap();
    app.stand_in.recover();
    assert_eq!(event_names(&app.flush_and_collect().await), ["old"]);
    assert!(told.try_recv().is_err(), "nothing is given up");
}

#[tokio::test]
async fn an_old_record_is_not_given_up_at_the_first_error() {
    let place = std::env::temp_dir().join(format!("mengpaneel-{}", uuid::Uuid::new_v4()));
    let outbox = File::at(&place);
    outbox.try_open().unwrap();
    let call = Call::new(
        Method::Track,
        vec![
            json!("old"),
            json!({"$insert_id": "old", "time": 1_700_000_000_000_u64}),
        ],
    );
    let parcel = Parcel::new(
        mengpaneel::Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    );
    // Recorded in 2023, as by an application whose worker stood still since.
    let id = uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000, &[7; 10]).into_uuid();
    outbox.append(Parcel { id, ..parcel }).await.unwrap();
    drop(outbox);
    let (app, mut told) = start_app(|builder| builder.outbox(File::at(&place)));
    app.stand_in.fail_next(2, 503);
    assert_eq!(event_names(&app.flush_and_collect().await), ["old"]);
    assert!(told.try_recv().is_err(), "nothing is given up");
    std::fs::remove_file(place).unwrap();
}

#[tokio::test]
async fn past_the_outboxs_bound_the_server_delivers_before_it_answers() {
    let (app, _told) = start_app(|builder| builder.outbox(Memory::default().max_records(0)));
    ask(&app, "/event/now").await;
    assert_eq!(event_names(&app.stand_in.counted()), ["now"]);
}

#[tokio::test]
async fn what_is_not_sent_before_the_deadline_of_a_shutdown_is_told() {
    let (app, mut told) = start_app(|builder| builder.timeout(Duration::from_secs(1)));
    app.stand_in.fail_with(503);
    ask(&app, "/event/left").await;
    let left = app
        .mengpaneel
        .shutdown(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!((left.pending(), left.is_lost()), (1, true));
    assert!(
        left.last_error().is_some_and(|error| error.contains("503")),
        "{left}"
    );
    assert_eq!(next(&mut told).await.calls[0].str_arg(0), Some("left"));
}

//! Pending records in the outbox while Mixpanel fails.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use mengpaneel::outbox::{Consumer as _, File, Memory, Outbox, Record, Redis};
use mengpaneel::{Builder, Call, Calls, Envelope, Failure, Method, Reason};
use mengpaneel_tests::{TIMEOUT, TestApp, TestClient, event_names, event_route};
use serde_json::json;
use stand_in::{Endpoint, Received};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[get("/both")]
async fn both() -> HttpResponse {
    mengpaneel::identify("7");
    mengpaneel::track("Counted", ());
    mengpaneel::people().increment("Posts", 1);
    HttpResponse::Ok().finish()
}

#[get("/increment")]
async fn increment() -> HttpResponse {
    mengpaneel::identify("7");
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
    config
        .configure(event_route)
        .service(both)
        .service(increment)
        .service(named);
}

/// Starts a server, and collects the failures that `on_error` receives.
fn start_app(build: impl FnOnce(Builder) -> Builder) -> (TestApp, UnboundedReceiver<Failure>) {
    let (send, failures) = unbounded_channel();
    let app = TestApp::build(routes, |builder| {
        build(builder).on_error(move |failure| drop(send.send(failure.clone())))
    });
    (app, failures)
}

async fn next(failures: &mut UnboundedReceiver<Failure>) -> Failure {
    tokio::time::timeout(TIMEOUT, failures.recv())
        .await
        .expect("a failure is reported")
        .expect("a failure")
}

async fn get(app: &TestApp, path: &str) {
    TestClient::machine(&app.url).get(path).send().await;
}

#[tokio::test]
async fn wrong_credentials_are_reported_once_and_lose_nothing() {
    let (app, mut failures) = start_app(|builder| builder);
    app.stand_in.fail_with(401);
    get(&app, "/event/first").await;
    assert!(matches!(
        next(&mut failures).await.reason,
        Reason::Unauthorized(_)
    ));
    get(&app, "/event/second").await;
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
    assert!(failures.try_recv().is_err(), "reported once");
}

async fn unexpected_status_is_reported_once_and_loses_nothing(status: u16) {
    // Long, because a timeout on a busy machine would leave the increment in doubt.
    let (app, mut failures) =
        start_app(|builder| builder.concurrency(2).timeout(Duration::from_secs(60)));
    app.stand_in.fail_with(status);
    get(&app, "/both").await;
    assert!(
        matches!(next(&mut failures).await.reason, Reason::NotServed(_)),
        "{status}"
    );
    get(&app, "/event/second").await;
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
    assert_eq!(failures.try_recv().ok(), None, "{status}: reported once");
}

#[tokio::test]
async fn temporarily_wrong_host_loses_nothing() {
    let statuses = [301, 302, 307, 308, 404, 405, 407, 410, 421, 426];
    let all = statuses.map(unexpected_status_is_reported_once_and_loses_nothing);
    futures_util::future::join_all(all).await;
}

#[tokio::test]
async fn increment_in_doubt_makes_mixpanel_unavailable() {
    let (app, mut failures) = start_app(|builder| builder);
    app.stand_in.fail_with(500);
    get(&app, "/increment").await;
    let failure = next(&mut failures).await;
    assert!(matches!(failure.reason, Reason::InDoubt(_)), "{failure}");
    assert!(!app.mengpaneel.health().await.is_healthy());
}

/// An outbox redelivers records that are leased for too long.
#[tokio::test]
async fn no_record_is_leased_while_mixpanel_is_unavailable() {
    let outbox = Arc::new(Memory::default());
    let (app, _failures) = start_app(|builder| builder.outbox(Arc::clone(&outbox)).concurrency(2));
    app.stand_in.fail_with(503);
    app.stand_in.retry_after(600);
    get(&app, "/event/a").await;
    let failed = async {
        while app.mengpaneel.health().await.is_healthy() {
            tokio::task::yield_now().await;
        }
        outbox.lease(1).await.unwrap()
    };
    let leases = tokio::time::timeout(TIMEOUT, failed).await;
    assert_eq!(leases.expect("the workers have returned it").len(), 1);
}

#[tokio::test]
async fn lost_response_resends_event_but_not_increment() {
    let (app, mut failures) = start_app(|builder| builder.timeout(Duration::from_secs(5)));
    app.stand_in.lose_answers();
    get(&app, "/both").await;
    let failure = next(&mut failures).await;
    assert!(matches!(failure.reason, Reason::InDoubt(_)), "{failure}");
    assert_eq!(failure.calls[0].method().to_string(), "people.increment");
    app.stand_in.recover();
    let arrived = app.flush_and_collect().await;
    assert_eq!(event_names(&arrived), ["Counted"], "counted once");
    assert!(app.stand_in.events().len() > 1, "and resent");
    assert_eq!(app.stand_in.profile("7").unwrap()["Posts"], json!(1));
}

async fn engage_failure_resends_no_imported_event(outbox: impl Outbox) {
    let (app, mut failures) = start_app(|builder| builder.outbox(outbox));
    app.stand_in.fail_at(Endpoint::Engage, 503);
    get(&app, "/named/Ada").await;
    let count = |requests: &[stand_in::Request], endpoint| {
        let requests = requests.iter();
        requests.filter(|one| one.endpoint == endpoint).count()
    };
    let is_retried =
        |store: &stand_in::Store| (count(&store.requests(), Endpoint::Engage) >= 2).then_some(());
    app.stand_in.wait_for(TIMEOUT, is_retried).await.unwrap();
    assert_eq!(app.stand_in.profile("7"), None);
    app.stand_in.recover();
    assert_eq!(event_names(&app.flush_and_collect().await), ["Named"]);
    assert_eq!(app.stand_in.profile("7").unwrap()["Name"], json!("Ada"));
    assert_eq!(
        count(&app.stand_in.requests(), Endpoint::Import),
        1,
        "{:?}",
        app.stand_in.requests()
    );
    assert!(failures.try_recv().is_err());
}

#[tokio::test]
async fn memory_outbox_resends_no_imported_event() {
    engage_failure_resends_no_imported_event(Memory::default()).await;
}

#[tokio::test]
async fn file_outbox_resends_no_imported_event() {
    let folder = TempDir::new().unwrap();
    engage_failure_resends_no_imported_event(File::new(folder.path().join("outbox"))).await;
}

#[tokio::test]
async fn redis_outbox_resends_no_imported_event() {
    let redis = mengpaneel_tests::TestRedis::start();
    engage_failure_resends_no_imported_event(Redis::new(redis.url())).await;
}

#[tokio::test]
async fn only_rejected_event_of_a_batch_is_reported() {
    let (app, mut failures) = start_app(|builder| builder);
    app.stand_in.refuse(|record| record["event"] == "bad");
    // The failed first request makes the three events leave in one batch.
    app.stand_in.fail_next(1, 503);
    for name in ["good", "bad", "better"] {
        get(&app, &format!("/event/{name}")).await;
    }
    let failure = next(&mut failures).await;
    assert!(matches!(failure.reason, Reason::Rejected(_)), "{failure}");
    assert_eq!(failure.calls[0].str_arg(0), Some("bad"));
    let mut arrived = app.flush_and_collect().await;
    arrived.sort_by_key(Received::time);
    assert_eq!(event_names(&arrived), ["good", "better"]);
}

#[tokio::test]
async fn expired_record_is_reported() {
    let (app, mut failures) = start_app(|builder| builder.retry_for(Duration::ZERO));
    app.stand_in.fail_with(503);
    get(&app, "/event/old").await;
    let failure = next(&mut failures).await;
    assert!(matches!(failure.reason, Reason::Abandoned(_)), "{failure}");
    assert_eq!(failure.calls[0].str_arg(0), Some("old"));
}

async fn requeued_dead_letter_is_delivered(outbox: impl Outbox) {
    let outbox: Arc<dyn Outbox> = Arc::new(outbox);
    let (app, mut failures) = start_app(|builder| {
        builder
            .outbox(Arc::clone(&outbox))
            .retry_for(Duration::ZERO)
    });
    app.stand_in.fail_with(503);
    get(&app, "/event/old").await;
    assert!(matches!(
        next(&mut failures).await.reason,
        Reason::Abandoned(_)
    ));
    app.stand_in.recover();
    let consumer = outbox.consumer().unwrap();
    let requeued = async {
        // The failure is reported before the record becomes a dead letter.
        while consumer.requeue(10).await != Ok(1) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, requeued)
        .await
        .expect("there is a dead letter");
    assert_eq!(event_names(&app.flush_and_collect().await), ["old"]);
    assert_eq!(consumer.dead_letters(10).await, Ok(vec![]));
    assert!(failures.try_recv().is_err());
}

#[tokio::test]
async fn file_outbox_delivers_requeued_dead_letter() {
    let folder = TempDir::new().unwrap();
    requeued_dead_letter_is_delivered(File::new(folder.path().join("outbox"))).await;
}

#[tokio::test]
async fn redis_outbox_delivers_requeued_dead_letter() {
    let redis = mengpaneel_tests::TestRedis::start();
    requeued_dead_letter_is_delivered(Redis::new(redis.url())).await;
}

#[tokio::test]
async fn no_record_expires_while_credentials_are_wrong() {
    let (app, mut failures) = start_app(|builder| builder.retry_for(Duration::ZERO));
    app.stand_in.fail_with(401);
    get(&app, "/event/old").await;
    let failure = next(&mut failures).await;
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
    assert!(failures.try_recv().is_err(), "no record expires");
}

#[tokio::test]
async fn old_record_does_not_expire_at_first_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("outbox");
    let outbox = File::new(&path);
    outbox.try_open().unwrap();
    let call = Call::new(
        Method::Track,
        vec![
            json!("old"),
            json!({"$insert_id": "old", "time": 1_700_000_000_000_u64}),
        ],
    );
    let envelope = Envelope::new(
        mengpaneel::Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    );
    // Recorded in 2023, as if no worker had run since.
    let id = uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000, &[7; 10]).into_uuid();
    let record = Record::new(&Envelope { id, ..envelope });
    outbox.append(record).await.unwrap();
    drop(outbox);
    let (app, mut failures) = start_app(|builder| builder.outbox(File::new(&path)));
    app.stand_in.fail_next(2, 503);
    assert_eq!(event_names(&app.flush_and_collect().await), ["old"]);
    assert!(failures.try_recv().is_err(), "no record expires");
}

#[tokio::test]
async fn full_outbox_makes_server_deliver_before_responding() {
    let (app, _failures) = start_app(|builder| builder.outbox(Memory::default().max_records(0)));
    get(&app, "/event/now").await;
    assert_eq!(event_names(&app.stand_in.counted()), ["now"]);
}

#[tokio::test]
async fn shutdown_reports_calls_pending_at_its_deadline() {
    let (app, mut failures) = start_app(|builder| builder.timeout(Duration::from_secs(1)));
    app.stand_in.fail_with(503);
    get(&app, "/event/left").await;
    let error = app
        .mengpaneel
        .shutdown(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!((error.pending(), error.is_lost()), (1, true));
    assert!(
        error
            .last_error()
            .is_some_and(|error| error.contains("503")),
        "{error}"
    );
    assert_eq!(next(&mut failures).await.calls[0].str_arg(0), Some("left"));
}

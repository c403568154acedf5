//! Outage of Redis under applications whose outbox is `Failover`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, get, web};
use futures_util::future::{join, join_all};
use mengpaneel::outbox::{Failover, File, Memory, Outbox, Redis};
use mengpaneel::{Failure, Mengpaneel};
use mengpaneel_tests::{
    Metered, TIMEOUT, TestApp, TestClient, TestRedis, event_names, event_route, flush_and_collect,
};
use stand_in::StandIn;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Time for which neither Redis nor Mixpanel answers.
const OUTAGE: Duration = Duration::from_secs(6);

/// Longest time of a response. A request in flight at the start of the outage waits for Redis, for
/// about a second.
const MAX_RESPONSE_TIME: Duration = Duration::from_secs(3);

#[get("/increment/{name}")]
async fn increment(name: web::Path<String>) -> HttpResponse {
    mengpaneel::identify("7");
    mengpaneel::track(name.as_str(), ());
    mengpaneel::people().increment("Posts", 1);
    HttpResponse::Ok().finish()
}

#[get("/redirect/{name}")]
async fn track_and_redirect(name: web::Path<String>) -> HttpResponse {
    mengpaneel::track(name.as_str(), ());
    HttpResponse::SeeOther()
        .insert_header(("location", "/page"))
        .finish()
}

#[get("/page")]
async fn show_page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html")
        .body("<!doctype html><html><head></head><body>page</body></html>")
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .configure(event_route)
        .service(increment)
        .service(track_and_redirect)
        .service(show_page);
}

/// Creates an outbox in a file of this folder.
fn file_in(folder: &TempDir) -> Arc<File> {
    Arc::new(File::new(folder.path().join("outbox")))
}

/// Failures that `on_error` received.
#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<Failure>>>);

impl Failures {
    fn push(&self, failure: &Failure) {
        self.0.lock().unwrap().push(failure.clone());
    }

    fn texts(&self) -> Vec<String> {
        let failures = self.0.lock().unwrap();
        failures
            .iter()
            .map(|failure| format!("{failure:?}"))
            .collect()
    }
}

fn redis(server: &TestRedis) -> Redis {
    // Records that Redis leased in a lost response return after this time.
    Redis::new(server.url()).claim_after(Duration::from_secs(5))
}

/// Requests an event, and asserts that the response came without waiting for Mixpanel.
async fn request(client: &mut TestClient, path: &str) {
    let started = Instant::now();
    assert_eq!(client.get(path).send().await.status, 200, "{path}");
    assert!(
        started.elapsed() < MAX_RESPONSE_TIME,
        "{path} waited {:?}",
        started.elapsed()
    );
}

/// Requests events named by a prefix and a number. Returns the names.
async fn request_events(app: &TestApp, prefix: &str, count: usize) -> Vec<String> {
    let mut client = TestClient::machine(&app.url);
    let names: Vec<String> = (0..count)
        .map(|number| format!("{prefix} {number:02}"))
        .collect();
    for name in &names {
        request(&mut client, &format!("/event/{name}")).await;
    }
    names
}

/// Requests pages with events until `is_over`. Returns the names of the events.
async fn request_until(app: &TestApp, visitor: usize, is_over: &AtomicBool) -> Vec<String> {
    let mut client = TestClient::machine(&app.url);
    let mut names = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let name = format!("event {visitor} {:05}", names.len());
        request(&mut client, &format!("/increment/{name}")).await;
        names.push(name);
    }
    names
}

/// Waits until an outbox has this many pending records.
async fn wait_for_pending(outbox: &impl Outbox, count: usize) {
    let reached = async {
        while outbox.pending().await != Ok(count) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let is_reached = timeout(TIMEOUT, reached).await.is_ok();
    assert!(
        is_reached,
        "{}: {:?} pending records, expected {count}",
        outbox.description(),
        outbox.pending().await
    );
}

fn sorted(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[tokio::test]
async fn redis_outage_under_load_delays_no_page() {
    let mut server = TestRedis::start();
    let failures = Failures::default();
    let outbox = Failover::new(redis(&server), Memory::default());
    let app = TestApp::build(routes, |builder| {
        let failures = failures.clone();
        builder
            .outbox(outbox)
            .on_error(move |failure| failures.push(failure))
    });
    let is_over = AtomicBool::new(false);
    let load = join_all((0..4).map(|visitor| request_until(&app, visitor, &is_over)));
    let outage = async {
        sleep(Duration::from_millis(500)).await;
        app.stand_in.stall();
        server.kill();
        sleep(OUTAGE).await;
        server.restart();
        app.stand_in.recover();
        sleep(Duration::from_secs(1)).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (names, ()) = join(load, outage).await;
    let names = names.concat();
    let arrived = app.flush_and_collect().await;
    assert_eq!(sorted(event_names(&arrived)), names, "each event once");
    assert_eq!(failures.texts(), Vec::<String>::new());
    let profile = app.stand_in.profile("7").unwrap();
    assert_eq!(profile["Posts"], names.len(), "each increment once");
}

#[tokio::test]
async fn secondary_fills_and_moves_when_redis_returns() {
    let (mut server, folder) = (TestRedis::start(), TempDir::new().unwrap());
    let (primary, secondary) = (Arc::new(redis(&server)), file_in(&folder));
    let outbox = Failover::new(Arc::clone(&primary), Arc::clone(&secondary));
    // No worker delivers: only a response could send a request to Mixpanel.
    let app = TestApp::build(routes, |builder| builder.outbox(outbox).concurrency(0));
    let mut names = request_events(&app, "a", 5).await;
    wait_for_pending(&primary, 5).await;
    server.kill();
    names.extend(request_events(&app, "b", 20).await);
    wait_for_pending(&secondary, 20).await;
    assert!(primary.pending().await.is_err(), "Redis is away");
    server.restart();
    wait_for_pending(&primary, 25).await;
    wait_for_pending(&secondary, 0).await;
    names.extend(request_events(&app, "c", 5).await);
    wait_for_pending(&primary, 30).await;
    assert!(
        app.stand_in.requests().is_empty(),
        "a response waited for Mixpanel"
    );

    let stand_in = StandIn::start();
    let worker = Mengpaneel::builder("demo")
        .api_host(stand_in.url())
        .outbox(redis(&server))
        .build()
        .unwrap();
    let arrived = flush_and_collect(&worker, &stand_in).await;
    assert_eq!(sorted(event_names(&arrived)), names);
    assert_eq!(arrived.len(), stand_in.events().len(), "no copy arrived");
    assert_eq!(primary.pending().await, Ok(0));
}

#[tokio::test]
async fn restarted_process_delivers_from_the_secondary() {
    let (mut server, folder) = (TestRedis::start(), TempDir::new().unwrap());
    let start = |server: &TestRedis| {
        let outbox = Failover::new(redis(server), file_in(&folder));
        TestApp::build(routes, |builder| builder.outbox(outbox))
    };
    let first = start(&server);
    first.stand_in.fail_with(503);
    server.kill();
    let mut names = request_events(&first, "a", 10).await;
    let shutdown = first.mengpaneel.shutdown(Duration::from_millis(500)).await;
    assert!(!shutdown.unwrap_err().is_lost());
    assert_eq!(first.stand_in.counted().len(), 0);
    drop(first);

    let second = start(&server);
    let last = names.last().unwrap();
    let arrived = second.stand_in.wait_for_event(TIMEOUT, last).await;
    arrived.expect("Redis is still away");
    names.extend(request_events(&second, "b", 1).await);
    server.restart();
    let arrived = second.flush_and_collect().await;
    assert_eq!(sorted(event_names(&arrived)), names);
    assert_eq!(arrived.len(), second.stand_in.events().len());
}

#[tokio::test]
async fn restarted_process_moves_records_to_redis() {
    let (mut server, folder) = (TestRedis::start(), TempDir::new().unwrap());
    let mut names = Vec::new();
    server.kill();
    for prefix in ["a", "b"] {
        let outbox = Failover::new(redis(&server), file_in(&folder));
        let app = TestApp::build(routes, |builder| builder.outbox(outbox).concurrency(0));
        names.extend(request_events(&app, prefix, 10).await);
        app.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    }
    server.restart();
    let (primary, secondary) = (Arc::new(redis(&server)), file_in(&folder));
    let outbox = Failover::new(Arc::clone(&primary), Arc::clone(&secondary));
    let app = TestApp::build(routes, |builder| builder.outbox(outbox).concurrency(0));
    wait_for_pending(&primary, 20).await;
    wait_for_pending(&secondary, 0).await;
    drop(app);

    let app = TestApp::build(routes, |builder| builder.outbox(redis(&server)));
    let arrived = app.flush_and_collect().await;
    assert_eq!(sorted(event_names(&arrived)), names);
}

/// Starts an application whose fallback copies are due soon.
fn start_with_copies(server: &TestRedis, folder: &TempDir) -> TestApp {
    let outbox = Failover::new(redis(server), file_in(folder));
    TestApp::build(routes, |builder| {
        builder
            .outbox(outbox)
            .fallback_after(Duration::from_secs(2))
    })
}

/// Follows a link whose handler delays an event. Returns the client before the next page.
async fn redirect(app: &TestApp, event: &str) -> TestClient {
    let mut client = TestClient::browser(&app.url);
    let response = client.get(&format!("/redirect/{event}")).send().await;
    assert_eq!(response.status, 303);
    client
}

/// Returns the calls of the next page.
async fn next_page(client: &mut TestClient) -> Vec<String> {
    client.get("/page").send().await.call_summary()
}

#[tokio::test]
async fn fallback_copies_of_an_outage_are_delivered_once() {
    let (mut server, folder) = (TestRedis::start(), TempDir::new().unwrap());
    let app = start_with_copies(&server, &folder);
    server.kill();
    let mut replayed = redirect(&app, "Replayed").await;
    redirect(&app, "Unclaimed").await;
    assert_eq!(next_page(&mut replayed).await, ["track Replayed"]);
    let arrived = app.stand_in.wait_for_event(TIMEOUT, "Unclaimed").await;
    arrived.expect("Redis is still away");
    redirect(&app, "Moved").await;
    server.restart();
    app.stand_in.wait_for_event(TIMEOUT, "Moved").await.unwrap();
    // Due after all other copies.
    redirect(&app, "Last").await;
    app.stand_in.wait_for_event(TIMEOUT, "Last").await.unwrap();
    let arrived = app.flush_and_collect().await;
    assert_eq!(event_names(&arrived), ["Unclaimed", "Moved", "Last"]);
    assert_eq!(next_page(&mut replayed).await, Vec::<String>::new());
}

#[tokio::test]
async fn replay_during_an_outage_cancels_the_copy_in_redis() {
    let (mut server, folder) = (TestRedis::start(), TempDir::new().unwrap());
    let app = start_with_copies(&server, &folder);
    let mut client = redirect(&app, "Replayed").await;
    server.kill();
    assert_eq!(next_page(&mut client).await, ["track Replayed"]);
    server.restart();
    for event in ["Unclaimed", "Last"] {
        redirect(&app, event).await;
        app.stand_in.wait_for_event(TIMEOUT, event).await.unwrap();
    }
    assert_eq!(event_names(&app.stand_in.events()), ["Unclaimed", "Last"]);
}

#[tokio::test]
async fn lost_acknowledgement_delays_no_record_of_the_secondary() {
    let mut server = TestRedis::start();
    let outbox = Failover::new(redis(&server), Memory::default());
    let outbox = Arc::new(Metered::new(outbox));
    let app = TestApp::build(routes, |builder| builder.outbox(Arc::clone(&outbox)));
    app.stand_in.stall();
    let mut names = request_events(&app, "a", 1).await;
    let leased = async {
        while outbox.leased() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let leased = timeout(TIMEOUT, leased).await;
    leased.expect("the worker sends the first event");
    server.kill();
    names.extend(request_events(&app, "b", 1).await);
    app.stand_in.recover();
    let arrived = app.stand_in.wait_for_event(TIMEOUT, "b 00").await;
    arrived.expect("Redis is still away");
    server.restart();
    let arrived = app.flush_and_collect().await;
    assert_eq!(sorted(event_names(&arrived)), names);
    assert_eq!(app.stand_in.events().len(), 2, "no record was redelivered");
}

#[tokio::test]
async fn shutdown_delivers_what_the_secondary_has() {
    let mut server = TestRedis::start();
    let outbox = Failover::new(redis(&server), Memory::default());
    let app = TestApp::build(routes, |builder| builder.outbox(outbox));
    app.stand_in.fail_with(503);
    server.kill();
    let names = request_events(&app, "a", 20).await;
    app.stand_in.recover();
    let deadline = Duration::from_secs(6);
    let delivered = app.stand_in.wait_for(deadline, |store| {
        (store.counted().len() == names.len()).then_some(())
    });
    let (shutdown, delivered) = join(app.mengpaneel.shutdown(deadline), delivered).await;
    delivered.expect("delivered before the deadline");
    assert_eq!(sorted(event_names(&app.stand_in.counted())), names);
    let error = shutdown.unwrap_err();
    assert!(!error.is_lost(), "{error}");
    assert!(error.to_string().contains("Redis at"), "{error}");
}

//! Fallback copies of delayed calls in an outbox that survives the process, or that several share.

use std::path::Path;
use std::time::Duration;

use mengpaneel::outbox::{File, Redis};
use mengpaneel_tests::{SessionConfig, TIMEOUT, TestApp, TestClient, TestRedis, event_names};
use tempfile::TempDir;

use crate::scenario::{HeldRequest, Outcome, Scenario, WithScenario as _, navigate, next_page};
use crate::scenario_app::routes;

const KEY: [u8; 64] = [7; 64];
const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(600);

fn track(event: &str) -> Scenario {
    Scenario::redirect().track(event)
}

/// Starts a process of an application whose processes share sessions and outbox.
fn start_with_redis(redis: &TestRedis, fallback_after: Duration) -> TestApp {
    let outbox = Redis::new(redis.url());
    let sessions = SessionConfig::Redis(redis.url());
    TestApp::with_key(&sessions, &KEY, routes, |builder| {
        builder.outbox(outbox).fallback_after(fallback_after)
    })
}

/// Starts a process of an application whose processes use outbox files of one name.
fn start_with_file(path: &Path, fallback_after: Duration) -> TestApp {
    TestApp::with_key(&SessionConfig::EncryptedCookie, &KEY, routes, |builder| {
        builder
            .outbox(File::new(path))
            .fallback_after(fallback_after)
    })
}

#[tokio::test]
async fn next_process_delivers_fallback_of_the_last_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("outbox");
    let last = start_with_file(&path, Duration::from_secs(2));
    let mut ada = TestClient::browser(&last.url);
    navigate(&mut ada, track("Sign Up").identify("42")).await;
    last.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(
        event_names(&last.stand_in.events()),
        Vec::<String>::new(),
        "its page may still be requested"
    );
    drop(last);
    let next = start_with_file(&path, LATE);
    let event = next.stand_in.wait_for_event(TIMEOUT, "Sign Up").await;
    assert_eq!(event.unwrap().distinct_id(), Some("42"));
    assert_eq!(
        next_page(&mut ada.with_base_url(&next.url)).await,
        Vec::<String>::new(),
        "the server has delivered it"
    );
    assert_eq!(event_names(&next.flush_and_collect().await), ["Sign Up"]);
}

/// In a rolling restart the second process uses a file beside the first one's.
#[tokio::test]
async fn process_with_another_file_resends_only_deduplicable_events() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("outbox");
    let one = start_with_file(&path, Duration::from_secs(1));
    let two = start_with_file(&path, LATE);
    let mut ada = TestClient::browser(&one.url);
    navigate(&mut ada, track("Replayed")).await;
    assert_eq!(
        next_page(&mut ada.with_base_url(&two.url)).await,
        ["track Replayed"]
    );
    let mut other = TestClient::browser(&one.url);
    navigate(&mut other, track("Unclaimed").identify("42")).await;
    let unclaimed = one.stand_in.wait_for_event(TIMEOUT, "Unclaimed").await;
    unclaimed.unwrap();
    assert_eq!(event_names(&one.stand_in.events()), ["Unclaimed"]);
}

#[tokio::test]
async fn replay_by_one_process_prevents_fallback_of_another() {
    let redis = TestRedis::start();
    let (one, two) = (
        start_with_redis(&redis, SOON),
        start_with_redis(&redis, SOON),
    );
    let mut ada = TestClient::browser(&one.url);
    navigate(&mut ada, track("Replayed")).await;
    assert_eq!(
        next_page(&mut ada.with_base_url(&two.url)).await,
        ["track Replayed"]
    );
    navigate(&mut ada.with_base_url(&one.url), track("Unclaimed")).await;
    let unclaimed = async |app: &TestApp| {
        let event = app.stand_in.wait_for_event(TIMEOUT, "Unclaimed").await;
        event.unwrap()
    };
    tokio::select! {
        _ = unclaimed(&one) => {}
        _ = unclaimed(&two) => {}
    };
    let arrived = [one.stand_in.events(), two.stand_in.events()].concat();
    assert_eq!(event_names(&arrived), ["Unclaimed"]);
    let mut pages = Vec::new();
    for process in [&one, &two] {
        pages.extend(next_page(&mut ada.with_base_url(&process.url)).await);
    }
    assert_eq!(
        pages,
        Vec::<String>::new(),
        "the server has delivered it, and both processes know"
    );
}

#[tokio::test]
async fn two_tabs_at_two_processes_replay_once() {
    let redis = TestRedis::start();
    let (one, two) = (
        start_with_redis(&redis, LATE),
        start_with_redis(&redis, LATE),
    );
    let mut first = TestClient::browser(&one.url);
    navigate(&mut first, Scenario::buy().increment("Posts")).await;
    let mut second = first.with_base_url(&two.url);
    let (left, right) = tokio::join!(next_page(&mut first), next_page(&mut second));
    let mut calls = [left, right].concat();
    calls.sort_unstable();
    assert_eq!(calls, ["identify 42", "track Buy"]);
    for process in [&one, &two] {
        assert_eq!(
            next_page(&mut first.with_base_url(&process.url)).await,
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn slow_request_does_not_replay_after_another_process() {
    let redis = TestRedis::start();
    let (one, two) = (
        start_with_redis(&redis, LATE),
        start_with_redis(&redis, LATE),
    );
    let mut ada = TestClient::browser(&one.url);
    navigate(&mut ada, Scenario::buy()).await;
    let slow = HeldRequest::navigate(&one, &ada).await;
    assert_eq!(
        next_page(&mut ada.with_base_url(&two.url)).await,
        ["identify 42", "track Buy"]
    );
    assert_eq!(slow.response().await.call_summary(), Vec::<String>::new());
}

#[tokio::test]
async fn failed_request_releases_its_claim_for_all_processes() {
    let redis = TestRedis::start();
    let (one, two) = (
        start_with_redis(&redis, LATE),
        start_with_redis(&redis, LATE),
    );
    let mut ada = TestClient::browser(&one.url);
    navigate(&mut ada, Scenario::buy()).await;
    let panic = Scenario::ending(Outcome::Panic);
    assert!(
        ada.get("/").scenario(&panic).try_send().await.is_err(),
        "the panicking handler responded"
    );
    assert_eq!(
        next_page(&mut ada.with_base_url(&two.url)).await,
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn replay_during_redis_outage_cancels_fallback_afterwards() {
    let mut redis = TestRedis::start();
    let outbox = Redis::new(redis.url());
    let app = TestApp::with_key(&SessionConfig::EncryptedCookie, &KEY, routes, |builder| {
        builder
            .outbox(outbox)
            .fallback_after(Duration::from_secs(2))
    });
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, track("Replayed")).await;
    redis.kill();
    assert_eq!(
        next_page(&mut ada).await,
        ["track Replayed"],
        "no request waits for Redis"
    );
    redis.restart();
    // Fallbacks are delivered in order: when `Last` arrives, `Replayed` would have arrived too.
    for event in ["Unclaimed", "Last"] {
        navigate(&mut TestClient::browser(&app.url), track(event)).await;
        let arrived = app.stand_in.wait_for_event(TIMEOUT, event).await;
        arrived.unwrap();
    }
    assert_eq!(event_names(&app.stand_in.events()), ["Unclaimed", "Last"]);
}

//! Copies of what is delayed, in an outbox that outlives the process, or that several share.

use std::time::Duration;

use mengpaneel::outbox::{File, Redis};
use mengpaneel_tests::{SessionConfig, TIMEOUT, TestApp, TestClient, TestRedis, event_names};

use crate::routes;

const KEY: [u8; 64] = [7; 64];
const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(600);

/// A process of an application whose processes share their sessions and their outbox.
fn process(redis: &TestRedis, after: Duration) -> TestApp {
    let outbox = Redis::at(redis.url());
    let sessions = SessionConfig::Redis(redis.url());
    TestApp::with_key(&sessions, &KEY, routes::routes, |builder| {
        builder.outbox(outbox).unclaimed_after(after)
    })
}

#[tokio::test]
async fn the_next_process_speaks_for_a_visitor_whom_the_last_one_waited_for() {
    let path = std::env::temp_dir().join(format!("mengpaneel-{}", uuid::Uuid::new_v4()));
    let process = |after| {
        let build =
            |builder: mengpaneel::Builder| builder.outbox(File::at(&path)).unclaimed_after(after);
        TestApp::with_key(&SessionConfig::EncryptedCookie, &KEY, routes::routes, build)
    };
    let last = process(Duration::from_secs(2));
    let mut ada = TestClient::browser(&last.url);
    ada.get("/?who=42&track=Sign+Up&then=/").send().await;
    last.mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(
        event_names(&last.stand_in.events()),
        Vec::<String>::new(),
        "its page may come still"
    );
    drop(last);
    let next = process(LATE);
    let event = next
        .stand_in
        .wait_for_event(TIMEOUT, "Sign Up")
        .await
        .unwrap();
    assert_eq!(event.distinct_id(), Some("42"));
    assert_eq!(
        ada.with_base_url(&next.url)
            .get("/")
            .send()
            .await
            .call_summary(),
        Vec::<String>::new(),
        "the server has said it"
    );
    assert_eq!(event_names(&next.flush_and_collect().await), ["Sign Up"]);
    drop(next);
    std::fs::remove_file(path).unwrap();
}

/// As in a rolling restart: the second takes a file beside that of the first.
#[tokio::test]
async fn of_what_a_process_with_another_file_may_have_told_only_that_is_told_again_which_mixpanel_drops()
 {
    let path = std::env::temp_dir().join(format!("mengpaneel-{}", uuid::Uuid::new_v4()));
    let process = |after| {
        let build =
            |builder: mengpaneel::Builder| builder.outbox(File::at(&path)).unclaimed_after(after);
        TestApp::with_key(&SessionConfig::EncryptedCookie, &KEY, routes::routes, build)
    };
    let (one, two) = (process(Duration::from_secs(1)), process(LATE));
    let mut ada = TestClient::browser(&one.url);
    ada.get("/?track=Told&then=/").send().await;
    assert_eq!(
        ada.with_base_url(&two.url)
            .get("/")
            .send()
            .await
            .call_summary(),
        ["track Told"]
    );
    TestClient::browser(&one.url)
        .get("/?who=42&track=Untold&then=/")
        .send()
        .await;
    one.stand_in
        .wait_for_event(TIMEOUT, "Untold")
        .await
        .unwrap();
    assert_eq!(event_names(&one.stand_in.events()), ["Untold"]);
    drop((one, two));
    for end in ["", ".1"] {
        std::fs::remove_file(format!("{}{end}", path.display())).unwrap();
    }
}

#[tokio::test]
async fn what_a_page_of_another_process_told_no_server_tells_again() {
    let redis = TestRedis::start();
    let (one, two) = (process(&redis, SOON), process(&redis, SOON));
    let mut ada = TestClient::browser(&one.url);
    ada.get("/?track=Told&then=/").send().await;
    assert_eq!(
        ada.with_base_url(&two.url)
            .get("/")
            .send()
            .await
            .call_summary(),
        ["track Told"]
    );
    ada.with_base_url(&one.url)
        .get("/?track=Untold&then=/")
        .send()
        .await;
    let untold = async |app: &TestApp| app.stand_in.wait_for_event(TIMEOUT, "Untold").await;
    tokio::select! {
        event = untold(&one) => event.unwrap(),
        event = untold(&two) => event.unwrap(),
    };
    let arrived = [one.stand_in.events(), two.stand_in.events()].concat();
    assert_eq!(event_names(&arrived), ["Untold"]);
    let mut pages = Vec::new();
    for process in [&one, &two] {
        pages.extend(
            ada.with_base_url(&process.url)
                .get("/")
                .send()
                .await
                .call_summary(),
        );
    }
    assert_eq!(
        pages,
        Vec::<String>::new(),
        "the server has said it, whichever process is asked"
    );
}

#[tokio::test]
async fn of_two_tabs_at_two_processes_one_is_told() {
    let redis = TestRedis::start();
    let (one, two) = (process(&redis, LATE), process(&redis, LATE));
    let mut first = TestClient::browser(&one.url);
    first
        .get("/?who=42&track=Buy&increment=Posts&then=/")
        .send()
        .await;
    let mut second = first.with_base_url(&two.url);
    let (left, right) = tokio::join!(first.get("/").send(), second.get("/").send());
    let mut said = [left.call_summary(), right.call_summary()].concat();
    said.sort_unstable();
    assert_eq!(said, ["identify 42", "track Buy"]);
    for process in [&one, &two] {
        assert_eq!(
            first
                .with_base_url(&process.url)
                .get("/")
                .send()
                .await
                .call_summary(),
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn who_takes_long_finds_that_another_process_told_it_meanwhile() {
    let redis = TestRedis::start();
    let (one, two) = (process(&redis, LATE), process(&redis, LATE));
    let mut ada = TestClient::browser(&one.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let (mut slow, mut gate) = (ada.clone(), TestClient::machine(&one.url));
    let answer = tokio::spawn(async move { slow.get("/?gate=slow").send().await.call_summary() });
    gate.get("/reached/slow").send().await;
    assert_eq!(
        ada.with_base_url(&two.url)
            .get("/")
            .send()
            .await
            .call_summary(),
        ["identify 42", "track Buy"]
    );
    gate.get("/open/slow").send().await;
    assert_eq!(answer.await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_that_fails_gives_back_what_it_claimed_whichever_process_is_asked_next() {
    let redis = TestRedis::start();
    let (one, two) = (process(&redis, LATE), process(&redis, LATE));
    let mut ada = TestClient::browser(&one.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    assert!(
        ada.get("/?then=panic").try_send().await.is_err(),
        "the panic was answered"
    );
    assert_eq!(
        ada.with_base_url(&two.url)
            .get("/")
            .send()
            .await
            .call_summary(),
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn what_a_page_told_while_redis_was_away_is_made_known_when_it_is_back() {
    let mut redis = TestRedis::start();
    let outbox = Redis::at(redis.url());
    let app = TestApp::with_key(
        &SessionConfig::EncryptedCookie,
        &KEY,
        routes::routes,
        |builder| {
            builder
                .outbox(outbox)
                .unclaimed_after(Duration::from_secs(2))
        },
    );
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?track=Told&then=/").send().await;
    redis.kill();
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["track Told"],
        "nobody waits for Redis"
    );
    redis.restart();
    // The second is kept in Redis, behind the first: what is due before it has come before it.
    for event in ["Untold", "Last"] {
        TestClient::browser(&app.url)
            .get(&format!("/?track={event}&then=/"))
            .send()
            .await;
        app.stand_in.wait_for_event(TIMEOUT, event).await.unwrap();
    }
    assert_eq!(event_names(&app.stand_in.events()), ["Untold", "Last"]);
}

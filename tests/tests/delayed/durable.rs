//! Copies of what is delayed, in an outbox that outlives the process, or that several share.

use std::time::Duration;

use mengpaneel::outbox::{File, Redis as InRedis};
use mengpaneel_tests::{DEADLINE, Redis, Sessions, Visitor, Workshop, names, settle};

use crate::routes;

const KEY: [u8; 64] = [7; 64];
const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(600);

/// A process of an application whose processes share their sessions and their outbox.
fn process(redis: &Redis, after: Duration) -> Workshop {
    let outbox = InRedis::at(redis.url());
    let sessions = Sessions::Redis(redis.url());
    Workshop::with_key(&sessions, &KEY, routes::routes, |builder| {
        builder.outbox(outbox).unclaimed_after(after)
    })
}

#[tokio::test]
async fn the_next_process_speaks_for_a_visitor_whom_the_last_one_waited_for() {
    let path = std::env::temp_dir().join(format!("mengpaneel-{}", uuid::Uuid::new_v4()));
    let process = |after| {
        let build =
            |builder: mengpaneel::Builder| builder.outbox(File::at(&path)).unclaimed_after(after);
        Workshop::with_key(&Sessions::Private, &KEY, routes::routes, build)
    };
    let last = process(Duration::from_secs(2));
    let mut ada = Visitor::browser(&last.url);
    ada.get("/?who=42&track=Sign+Up&then=/").await_page().await;
    last.mengpaneel.shutdown(DEADLINE).await.unwrap();
    assert_eq!(
        names(&last.stand_in.events()),
        Vec::<String>::new(),
        "its page may come still"
    );
    drop(last);
    let next = process(LATE);
    let event = next
        .stand_in
        .wait_for_event(DEADLINE, "Sign Up")
        .await
        .unwrap();
    assert_eq!(event.distinct_id(), Some("42"));
    assert_eq!(
        ada.at(&next.url).get("/").await_page().await.said(),
        Vec::<String>::new(),
        "the server has said it"
    );
    assert_eq!(
        names(&settle(&next.mengpaneel, &next.stand_in).await),
        ["Sign Up"]
    );
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
        Workshop::with_key(&Sessions::Private, &KEY, routes::routes, build)
    };
    let (one, two) = (process(Duration::from_secs(1)), process(LATE));
    let mut ada = Visitor::browser(&one.url);
    ada.get("/?track=Told&then=/").await_page().await;
    assert_eq!(
        ada.at(&two.url).get("/").await_page().await.said(),
        ["track Told"]
    );
    Visitor::browser(&one.url)
        .get("/?who=42&track=Untold&then=/")
        .await_page()
        .await;
    one.stand_in
        .wait_for_event(DEADLINE, "Untold")
        .await
        .unwrap();
    assert_eq!(names(&one.stand_in.events()), ["Untold"]);
    drop((one, two));
    for end in ["", ".1"] {
        std::fs::remove_file(format!("{}{end}", path.display())).unwrap();
    }
}

#[tokio::test]
async fn what_a_page_of_another_process_told_no_server_tells_again() {
    let redis = Redis::start();
    let (one, two) = (process(&redis, SOON), process(&redis, SOON));
    let mut ada = Visitor::browser(&one.url);
    ada.get("/?track=Told&then=/").await_page().await;
    assert_eq!(
        ada.at(&two.url).get("/").await_page().await.said(),
        ["track Told"]
    );
    ada.at(&one.url)
        .get("/?track=Untold&then=/")
        .await_page()
        .await;
    let untold =
        async |workshop: &Workshop| workshop.stand_in.wait_for_event(DEADLINE, "Untold").await;
    tokio::select! {
        event = untold(&one) => event.unwrap(),
        event = untold(&two) => event.unwrap(),
    };
    let arrived = [one.stand_in.events(), two.stand_in.events()].concat();
    assert_eq!(names(&arrived), ["Untold"]);
    let mut pages = Vec::new();
    for process in [&one, &two] {
        pages.extend(ada.at(&process.url).get("/").await_page().await.said());
    }
    assert_eq!(
        pages,
        Vec::<String>::new(),
        "the server has said it, whichever process is asked"
    );
}

#[tokio::test]
async fn of_two_tabs_at_two_processes_one_is_told() {
    let redis = Redis::start();
    let (one, two) = (process(&redis, LATE), process(&redis, LATE));
    let mut first = Visitor::browser(&one.url);
    first
        .get("/?who=42&track=Buy&increment=Posts&then=/")
        .await_page()
        .await;
    let mut second = first.at(&two.url);
    let (left, right) = tokio::join!(first.get("/").await_page(), second.get("/").await_page());
    let mut said = [left.said(), right.said()].concat();
    said.sort_unstable();
    assert_eq!(said, ["identify 42", "track Buy"]);
    for process in [&one, &two] {
        assert_eq!(
            first.at(&process.url).get("/").await_page().await.said(),
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn who_takes_long_finds_that_another_process_told_it_meanwhile() {
    let redis = Redis::start();
    let (one, two) = (process(&redis, LATE), process(&redis, LATE));
    let mut ada = Visitor::browser(&one.url);
    ada.get("/?who=42&track=Buy&then=/").await_page().await;
    let (mut slow, mut gate) = (ada.clone(), Visitor::machine(&one.url));
    let answer = tokio::spawn(async move { slow.get("/?gate=slow").await_page().await.said() });
    gate.get("/reached/slow").await_page().await;
    assert_eq!(
        ada.at(&two.url).get("/").await_page().await.said(),
        ["identify 42", "track Buy"]
    );
    gate.get("/open/slow").await_page().await;
    assert_eq!(answer.await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_that_fails_gives_back_what_it_claimed_whichever_process_is_asked_next() {
    let redis = Redis::start();
    let (one, two) = (process(&redis, LATE), process(&redis, LATE));
    let mut ada = Visitor::browser(&one.url);
    ada.get("/?who=42&track=Buy&then=/").await_page().await;
    assert!(
        ada.get("/?then=panic").send().await.is_err(),
        "the panic was answered"
    );
    assert_eq!(
        ada.at(&two.url).get("/").await_page().await.said(),
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn what_a_page_told_while_redis_was_away_is_made_known_when_it_is_back() {
    let mut redis = Redis::start();
    let outbox = InRedis::at(redis.url());
    let workshop = Workshop::with_key(&Sessions::Private, &KEY, routes::routes, |builder| {
        builder
            .outbox(outbox)
            .unclaimed_after(Duration::from_secs(2))
    });
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?track=Told&then=/").await_page().await;
    redis.stop();
    assert_eq!(
        ada.get("/").await_page().await.said(),
        ["track Told"],
        "nobody waits for Redis"
    );
    redis.start_again();
    // The second is kept in Redis, behind the first: what is due before it has come before it.
    for event in ["Untold", "Last"] {
        Visitor::browser(&workshop.url)
            .get(&format!("/?track={event}&then=/"))
            .await_page()
            .await;
        workshop
            .stand_in
            .wait_for_event(DEADLINE, event)
            .await
            .unwrap();
    }
    assert_eq!(names(&workshop.stand_in.events()), ["Untold", "Last"]);
}

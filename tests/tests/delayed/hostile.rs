//! Timing that is against us: tabs, slow requests, old cookies, and visitors who never return.

use std::time::Duration;

use mengpaneel_tests::{DEADLINE, Redis, Sessions, Visitor, Workshop, names, settle};

use crate::js::{self, Js};
use crate::{routes, with, workshop};

/// A workshop whose server speaks up soon for who does not return.
fn impatient(sessions: &Sessions, after: Duration) -> Workshop {
    Workshop::with_sessions(sessions, routes::routes, |builder| {
        builder.unclaimed_after(after)
    })
}

const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn of_two_tabs_that_bring_one_session_one_is_told() {
    let redis = Redis::start();
    for sessions in [Sessions::Private, Sessions::Redis(redis.url())] {
        let workshop = with(&sessions);
        let mut first = Visitor::browser(&workshop.url);
        first
            .get("/?who=42&track=Buy&increment=Posts&then=/")
            .await_page()
            .await;
        let mut second = first.clone();
        let (left, right) = tokio::join!(first.get("/").await_page(), second.get("/").await_page());
        let mut said = [left.said(), right.said()].concat();
        said.sort_unstable();
        assert_eq!(said, ["identify 42", "track Buy"], "{sessions:?}");
        assert_eq!(
            first.get("/").await_page().await.said(),
            Vec::<String>::new()
        );
        assert_eq!(
            second.get("/").await_page().await.said(),
            Vec::<String>::new()
        );
    }
}

#[tokio::test]
async fn request_claims_only_when_its_answer_is_ready() {
    for sessions in [Sessions::Signed, Sessions::Private] {
        let workshop = with(&sessions);
        let mut first = Visitor::browser(&workshop.url);
        first.get("/?who=42&track=Buy&then=/").await_page().await;
        let (mut second, mut gate) = (first.clone(), Visitor::machine(&workshop.url));
        let slow = tokio::spawn(async move { first.get("/?gate=slow").await_page().await });
        gate.get("/reached/slow").await_page().await;
        assert_eq!(
            second.get("/").await_page().await.said(),
            ["identify 42", "track Buy"]
        );
        gate.get("/open/slow").await_page().await;
        assert_eq!(
            slow.await.unwrap().said(),
            Vec::<String>::new(),
            "the other tab has replayed them"
        );
    }
}

#[tokio::test]
async fn a_browser_that_sends_the_old_cookie_again_is_not_told_twice() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?track=Buy&increment=Posts&then=/")
        .await_page()
        .await;
    let mut old = ada.clone();
    assert_eq!(
        ada.get("/").await_page().await.said(),
        ["track Buy", "people.increment"]
    );
    for _ in 0..2 {
        assert_eq!(old.get("/").await_page().await.said(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn the_back_button_runs_copies_that_mixpanel_drops() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    let mut js = Js::new("d1");
    ada.get("/?who=42&track=Buy,Sell&then=/").await_page().await;
    let page = ada.get("/?who=42").await_page().await;
    js.run(&page);
    js.run(&page);
    assert_eq!(js::names(&js::all([&js], &[])), ["Buy", "Sell"]);
}

#[tokio::test]
async fn every_process_says_the_same_of_one_session_and_mixpanel_drops_all_but_one() {
    let redis = Redis::start();
    let sessions = Sessions::Redis(redis.url());
    let key = [7; 64];
    let shared = || {
        Workshop::with_key(&sessions, &key, routes::routes, |builder| {
            builder.unclaimed_after(SOON)
        })
    };
    let (one, two) = (shared(), shared());
    let mut ada = Visitor::browser(&one.url);
    let mut js = Js::new("d1");
    ada.cookies.insert("mp_demo_mixpanel".into(), js.cookie());
    ada.get("/?who=42&track=Buy&then=/").await_page().await;
    js.run(&ada.at(&two.url).get("/?who=42").await_page().await);
    assert_eq!(js.sent.len(), 1);
    let late = one.stand_in.wait_for_event(DEADLINE, "Buy").await.unwrap();
    assert_eq!(js::names(&js::all([&js], &[late])), ["Buy"]);
}

#[tokio::test]
async fn the_server_speaks_for_a_visitor_who_never_returns() {
    let redis = Redis::start();
    for sessions in [Sessions::Private, Sessions::Redis(redis.url())] {
        let workshop = impatient(&sessions, SOON);
        let mut ada = Visitor::browser(&workshop.url);
        ada.get("/?alias=42&who=42&track=Sign+Up&then=/")
            .await_page()
            .await;
        let event = workshop
            .stand_in
            .wait_for_event(DEADLINE, "Sign Up")
            .await
            .unwrap();
        assert_eq!(
            (event.distinct_id(), event.property("$user_id")),
            (Some("42"), &"42".into())
        );
        assert_eq!(
            ada.get("/").await_page().await.said(),
            Vec::<String>::new(),
            "the server has said it"
        );
        assert_eq!(
            ada.get("/").await_page().await.header("set-cookie"),
            None,
            "the carrier cookie was removed"
        );
        assert_eq!(
            names(&settle(&workshop.mengpaneel, &workshop.stand_in).await),
            ["Sign Up"]
        );
    }
}

#[tokio::test]
async fn what_a_page_told_the_server_does_not_tell_again() {
    let workshop = impatient(&Sessions::Private, Duration::from_secs(2));
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?who=42&track=Told&then=/").await_page().await;
    assert_eq!(
        ada.get("/").await_page().await.said(),
        ["identify 42", "track Told"]
    );
    ada.get("/?who=42&track=Untold&then=/").await_page().await;
    workshop
        .stand_in
        .wait_for_event(DEADLINE, "Untold")
        .await
        .unwrap();
    assert_eq!(names(&workshop.stand_in.events()), ["Untold"]);
}

#[tokio::test]
async fn a_slow_request_that_overwrites_the_redirects_cookie_loses_nothing() {
    let redis = Redis::start();
    for sessions in [
        Sessions::Signed,
        Sessions::Private,
        Sessions::Redis(redis.url()),
    ] {
        let workshop = impatient(&sessions, SOON);
        let mut ada = Visitor::browser(&workshop.url);
        ada.get("/?session=first").await_page().await;
        let (mut slow, mut gate) = (ada.clone(), Visitor::machine(&workshop.url));
        let request = tokio::spawn(async move {
            slow.ask(reqwest::Method::GET, "/?gate=slow&session=second&then=json")
                .await_page()
                .await;
            slow.cookies
        });
        gate.get("/reached/slow").await_page().await;
        ada.get("/?who=42&track=Buy&then=/").await_page().await;
        gate.get("/open/slow").await_page().await;
        ada.cookies = request.await.unwrap();
        workshop
            .stand_in
            .wait_for_event(DEADLINE, "Buy")
            .await
            .unwrap();
        assert_eq!(ada.get("/").await_page().await.said(), Vec::<String>::new());
        assert_eq!(names(&workshop.stand_in.events()), ["Buy"], "{sessions:?}");
    }
}

#[tokio::test]
async fn a_slow_request_that_brings_the_cookie_back_does_not_double_it() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?session=first&track=Buy&increment=Posts&then=/")
        .await_page()
        .await;
    let (mut slow, mut gate) = (ada.clone(), Visitor::machine(&workshop.url));
    let request = tokio::spawn(async move {
        slow.ask(reqwest::Method::GET, "/?gate=slow&session=second&then=json")
            .await_page()
            .await;
        slow.cookies
    });
    gate.get("/reached/slow").await_page().await;
    assert_eq!(
        ada.get("/").await_page().await.said(),
        ["track Buy", "people.increment"]
    );
    gate.get("/open/slow").await_page().await;
    ada.cookies = request.await.unwrap();
    assert_eq!(ada.get("/").await_page().await.said(), Vec::<String>::new());
}

#[tokio::test]
async fn what_still_waits_when_the_server_stops_is_said_where_mixpanel_can_tell_the_copy() {
    let workshop = workshop();
    Visitor::browser(&workshop.url)
        .get("/?who=42&track=Known&then=/")
        .await_page()
        .await;
    Visitor::browser(&workshop.url)
        .get("/?track=Unknown&then=/")
        .await_page()
        .await;
    workshop.mengpaneel.shutdown(DEADLINE).await.unwrap();
    assert_eq!(names(&workshop.stand_in.events()), ["Known"]);
}

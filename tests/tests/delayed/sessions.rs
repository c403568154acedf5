//! Where calls wait: each kind of session, its limits, and its end.

use actix_web::cookie::Key;
use mengpaneel_tests::{Page, Redis, Sessions, Visitor, Workshop, names, settle};

use crate::js::{self, Js};
use crate::{routes, with, workshop};

fn session_is_written(page: &Page) -> bool {
    page.headers.iter().any(|(name, value)| name == "set-cookie" && value.starts_with("id="))
}

async fn are_told_by_the_next_page_once(workshop: &Workshop) {
    let mut ada = Visitor::browser(&workshop.url);
    let answer = ada.get("/?who=42&session=own&track=Sign+In,Buy&then=/").await_page().await;
    assert_eq!(answer.status, 303);
    assert_eq!(
        ada.get("/?track=View").await_page().await.said(),
        ["identify 42", "track Sign In", "track Buy", "track View"]
    );
    assert_eq!(ada.get("/?track=View").await_page().await.said(), ["track View"]);
    assert_eq!(ada.get("/?then=json").await_page().await.json()["own"], "own");
    assert_eq!(names(&settle(&workshop.mengpaneel, &workshop.stand_in).await), Vec::<&str>::new());
}

/// Follows a chain of 50 redirects with ten events each, and counts what arrives in its order.
async fn a_chain_of_redirects_loses_none(workshop: &Workshop, own: &str) {
    let mut ada = Visitor::browser(&workshop.url);
    ada.get(&format!("/?session={own}")).await_page().await;
    let mut js = Js::new("d1");
    for hop in 0..50 {
        let page = ada.get(&format!("/?who=42&track=Hop+{hop:02}*10&then=/")).await_page().await;
        assert_eq!(page.status, 303, "hop {hop}");
        let cookies: usize =
            page.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.len()).sum();
        assert!(cookies <= 4_096, "hop {hop}: {cookies} bytes of cookie");
    }
    let page = ada.get("/").await_page().await;
    js.run(&page);
    let arrived = settle(&workshop.mengpaneel, &workshop.stand_in).await;
    assert_eq!(js::all([&js], &arrived).len(), 500);
    let by_server = arrived.iter().map(|event| (event.event().to_owned(), event.property("At").clone()));
    let by_page = page.calls().into_iter().filter(|call| call.method().is_track());
    let by_page = by_page.map(|call| (call.str_arg(0).unwrap().to_owned(), call.properties().unwrap()["At"].clone()));
    let in_order: Vec<_> = by_server.chain(by_page).collect();
    let expected = (0..50).flat_map(|hop| (1..=10).map(move |at| (format!("Hop {hop:02}"), serde_json::json!(at))));
    assert_eq!(in_order, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn calls_wait_in_a_signed_cookie() {
    are_told_by_the_next_page_once(&with(&Sessions::Signed)).await;
}

#[tokio::test]
async fn calls_wait_in_an_encrypted_cookie() {
    are_told_by_the_next_page_once(&with(&Sessions::Private)).await;
}

#[tokio::test]
async fn calls_wait_in_redis() {
    let redis = Redis::start();
    are_told_by_the_next_page_once(&with(&Sessions::Redis(redis.url()))).await;
}

#[tokio::test]
async fn fifty_redirects_with_ten_events_each_lose_none_with_a_signed_cookie() {
    a_chain_of_redirects_loses_none(&with(&Sessions::Signed), "own").await;
}

#[tokio::test]
async fn fifty_redirects_with_ten_events_each_lose_none_with_an_encrypted_cookie() {
    a_chain_of_redirects_loses_none(&with(&Sessions::Private), "own").await;
}

#[tokio::test]
async fn fifty_redirects_lose_none_where_the_applications_own_session_is_large() {
    for sessions in [Sessions::Signed, Sessions::Private] {
        a_chain_of_redirects_loses_none(&with(&sessions), &"x".repeat(2_400)).await;
    }
}

#[tokio::test]
async fn fifty_redirects_with_ten_events_each_all_wait_in_redis() {
    let redis = Redis::start();
    let roomy =
        Workshop::with_sessions(&Sessions::Redis(redis.url()), routes::routes, |builder| builder.max_session(1 << 20));
    a_chain_of_redirects_loses_none(&roomy, "own").await;
    assert_eq!(names(&settle(&roomy.mengpaneel, &roomy.stand_in).await), Vec::<&str>::new());
}

#[tokio::test]
async fn the_session_is_written_only_where_there_is_something_to_delay_or_replay() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    for path in
        ["/", "/?track=View", "/?then=/", "/?who=42&then=/", "/?track=View&then=json", "/?track=View&status=304"]
    {
        assert!(!session_is_written(&ada.get(path).await_page().await), "{path}");
    }
    assert!(session_is_written(&ada.get("/?track=Buy&then=/").await_page().await));
    assert!(!session_is_written(&ada.ask(reqwest::Method::GET, "/?track=Poll&then=json").await_page().await));
    assert!(session_is_written(&ada.get("/").await_page().await));
    assert!(!session_is_written(&ada.get("/?track=View").await_page().await));
}

#[tokio::test]
async fn a_304_grows_nothing() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?who=42&track=Buy&then=/").await_page().await;
    for _ in 0..3 {
        let answer = ada.get("/?track=View&status=304").await_page().await;
        assert_eq!((answer.status, answer.body.as_str(), answer.said().len()), (304, "", 0));
    }
    assert_eq!(names(&settle(&workshop.mengpaneel, &workshop.stand_in).await), ["Buy", "View", "View", "View"]);
}

#[tokio::test]
async fn a_renewed_session_takes_the_calls_along() {
    let redis = Redis::start();
    for sessions in [Sessions::Private, Sessions::Redis(redis.url())] {
        let workshop = with(&sessions);
        let mut ada = Visitor::browser(&workshop.url);
        ada.get("/?session=own&track=Before&then=/").await_page().await;
        ada.get("/?who=42&session=renew&track=Sign+In&then=/").await_page().await;
        assert_eq!(ada.get("/").await_page().await.said(), ["identify 42", "track Before", "track Sign In"]);
    }
}

#[tokio::test]
async fn a_purged_sessions_calls_go_in_a_cookie_of_our_own_to_the_next_page() {
    let keyed = Workshop::build(routes::routes, |builder| builder.cookie_key(Key::generate()));
    let mut ada = Visitor::browser(&keyed.url);
    ada.get("/?who=42&session=own").await_page().await;
    ada.get("/?who=42&session=purge&track=Sign+Out&then=/").await_page().await;
    assert_eq!(ada.cookies.keys().collect::<Vec<_>>(), ["mengpaneel_delayed_calls"]);
    let page = ada.get("/?who=-").await_page().await;
    assert_eq!(page.said(), ["track Sign Out"]);
    assert_eq!(page.property("Sign Out", "$user_id"), Some("42".into()));
    assert!(ada.cookies.is_empty());
    assert_eq!(ada.get("/").await_page().await.said(), Vec::<String>::new());
}

#[tokio::test]
async fn a_purged_sessions_calls_go_by_the_server_where_no_key_is_given() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?who=42&session=own").await_page().await;
    ada.get("/?who=42&session=purge&track=Sign+Out&then=/").await_page().await;
    let arrived = settle(&workshop.mengpaneel, &workshop.stand_in).await;
    assert_eq!((names(&arrived), arrived[0].distinct_id()), (vec!["Sign Out"], Some("42")));
    assert!(ada.cookies.is_empty());
}

#[tokio::test]
async fn what_waits_in_a_session_that_a_script_throws_away_is_not_lost() {
    for end in ["purge", "clear"] {
        let workshop = workshop();
        let mut ada = Visitor::browser(&workshop.url);
        ada.get("/?who=42&track=Buy&then=/").await_page().await;
        let by_script = format!("/?session={end}&track=Sign+Out&then=json");
        ada.ask(reqwest::Method::GET, &by_script).await_page().await;
        assert_eq!(ada.get("/").await_page().await.said(), Vec::<String>::new());
        let arrived = settle(&workshop.mengpaneel, &workshop.stand_in).await;
        assert_eq!(names(&arrived), ["Buy", "Sign Out"], "{end}");
    }
}

#[tokio::test]
async fn a_redirect_that_no_page_follows_adds_to_what_waits() {
    let workshop = workshop();
    let mut ada = Visitor::browser(&workshop.url);
    ada.get("/?who=42&track=First&then=/").await_page().await;
    let fetch = ada.ask(reqwest::Method::GET, "/?track=Second&then=/").header("sec-fetch-mode", "cors");
    assert_eq!(fetch.await_page().await.status, 303);
    assert_eq!(ada.get("/").await_page().await.said(), ["identify 42", "track First", "track Second"]);
    assert_eq!(names(&settle(&workshop.mengpaneel, &workshop.stand_in).await), Vec::<&str>::new());
}

#[tokio::test]
async fn without_a_session_middleware_outside_the_calls_go_by_the_server() {
    for sessions in [Sessions::Nowhere, Sessions::Inside] {
        let workshop = with(&sessions);
        let mut ada = Visitor::browser(&workshop.url);
        ada.get("/?who=42&session=own&track=Buy&then=/").await_page().await;
        assert_eq!(ada.get("/").await_page().await.said(), Vec::<String>::new());
        let arrived = settle(&workshop.mengpaneel, &workshop.stand_in).await;
        assert_eq!(names(&arrived), ["Buy"], "{sessions:?}");
    }
}

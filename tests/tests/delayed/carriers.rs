//! Where calls wait: carrier cookies, beside each kind of session, and what the session never
//! notices.

use std::collections::BTreeMap;

use actix_web::cookie::Key;
use mengpaneel_tests::{
    SessionConfig, TIMEOUT, TestApp, TestClient, TestRedis, TestResponse, event_names,
};
use reqwest::Method;

use crate::fake_mixpanel_js::{self, FakeMixpanelJs};
use crate::{routes, start_app, with};

fn carriers(visitor: &TestClient) -> usize {
    visitor
        .cookies
        .keys()
        .filter(|name| name.starts_with("mengpaneel_delayed_calls."))
        .count()
}

fn session_is_written(page: &TestResponse) -> bool {
    page.headers
        .iter()
        .any(|(name, value)| name == "set-cookie" && value.starts_with("id="))
}

/// Runs the calls of the next page, and answers what arrived by it and by the server.
async fn count(app: &TestApp, visitor: &mut TestClient) -> Vec<fake_mixpanel_js::Sent> {
    let mut js = FakeMixpanelJs::new("d1");
    js.run(&visitor.get("/").send().await);
    fake_mixpanel_js::all([&js], &app.flush_and_collect().await)
}

#[tokio::test]
async fn calls_wait_for_the_next_page_beside_any_session() {
    let redis = TestRedis::start();
    let all = [
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
        SessionConfig::WrappedInside,
    ];
    for sessions in all {
        let app = with(&sessions);
        let mut ada = TestClient::browser(&app.url);
        let answer = ada
            .get("/?who=42&session=own&track=Sign+In,Buy&then=/")
            .send()
            .await;
        assert_eq!(answer.status, 303);
        let expected = ["identify 42", "track Sign In", "track Buy", "track View"];
        assert_eq!(
            ada.get("/?track=View").send().await.call_summary(),
            expected,
            "{sessions:?}"
        );
        assert_eq!(carriers(&ada), 0, "{sessions:?}");
        assert_eq!(
            ada.get("/?track=View").send().await.call_summary(),
            ["track View"],
            "{sessions:?}"
        );
        assert_eq!(
            ada.get("/?then=json").send().await.json()["own"],
            "own",
            "{sessions:?}"
        );
        let arrived = app.flush_and_collect().await;
        assert_eq!(event_names(&arrived), Vec::<&str>::new(), "{sessions:?}");
    }
}

#[tokio::test]
async fn calls_wait_without_a_session_middleware() {
    let app = with(&SessionConfig::None);
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
    assert!(ada.cookies.is_empty());
}

#[tokio::test]
async fn calls_go_by_the_server_without_a_cookie_key() {
    for sessions in [SessionConfig::EncryptedCookie, SessionConfig::None] {
        let app = TestApp::without_cookie_key(&sessions, routes::routes);
        let mut ada = TestClient::browser(&app.url);
        let answer = ada.get("/?who=42&track=Buy&then=/").send().await;
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(
            ada.get("/").send().await.call_summary(),
            Vec::<String>::new()
        );
        let arrived = app.flush_and_collect().await;
        assert_eq!(
            (event_names(&arrived), arrived[0].distinct_id()),
            (vec!["Buy"], Some("42"))
        );
    }
}

#[tokio::test]
async fn session_is_never_written_by_tracking() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
        SessionConfig::Failing,
    ] {
        let app = with(&sessions);
        let mut ada = TestClient::browser(&app.url);
        for path in [
            "/",
            "/?track=View",
            "/?who=42&then=/",
            "/?track=View&then=json",
            "/?track=View&status=304",
            "/?track=Buy&then=/",
            "/?who=42&track=Buy&increment=Posts&then=/",
            "/",
            "/?then=err",
        ] {
            let answer = ada.get(path).send().await;
            assert!(!session_is_written(&answer), "{path} {sessions:?}");
        }
    }
}

#[tokio::test]
async fn failing_session_store_changes_no_redirect() {
    let app = with(&SessionConfig::Failing);
    let mut ada = TestClient::browser(&app.url);
    assert_eq!(
        ada.get("/?who=42&track=Buy&then=/").send().await.status,
        303
    );
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn parallel_write_survives_a_slow_replay() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::SignedCookie,
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = with(&sessions);
        let mut ada = TestClient::browser(&app.url);
        ada.get("/?session=first").send().await;
        ada.get("/?who=42&track=Buy&then=/").send().await;
        let (mut slow, mut gate) = (ada.clone(), TestClient::machine(&app.url));
        let page = tokio::spawn(async move { slow.get("/?gate=slow").send().await });
        gate.get("/reached/slow").send().await;
        ada.request(Method::GET, "/?session=cart&then=json")
            .send()
            .await;
        gate.get("/open/slow").send().await;
        let page = page.await.unwrap();
        assert_eq!(
            page.call_summary(),
            ["identify 42", "track Buy"],
            "{sessions:?}"
        );
        ada.store_cookies(&page);
        assert_eq!(
            ada.get("/?then=json").send().await.json()["own"],
            "cart",
            "{sessions:?}"
        );
    }
}

#[tokio::test]
async fn session_that_was_purged_does_not_return() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        let app = with(&sessions);
        let mut ada = TestClient::browser(&app.url);
        ada.get("/?session=signed+in").send().await;
        ada.get("/?who=42&track=Buy&then=/").send().await;
        let (mut slow, mut gate) = (ada.clone(), TestClient::machine(&app.url));
        let page = tokio::spawn(async move { slow.get("/?gate=slow").send().await });
        gate.get("/reached/slow").send().await;
        ada.get("/?who=42&session=purge&track=Sign+Out&then=/")
            .send()
            .await;
        assert!(!ada.cookies.contains_key("id"));
        gate.get("/open/slow").send().await;
        ada.store_cookies(&page.await.unwrap());
        assert!(!ada.cookies.contains_key("id"), "{sessions:?}");
        assert!(
            ada.get("/?then=json").send().await.json()["own"].is_null(),
            "{sessions:?}"
        );
    }
}

#[tokio::test]
async fn waiting_calls_leave_the_session_its_room() {
    for (sessions, room) in [
        (SessionConfig::SignedCookie, 2_500),
        (SessionConfig::EncryptedCookie, 2_500),
    ] {
        let app = with(&sessions);
        let mut ada = TestClient::browser(&app.url);
        for hop in 0..10 {
            ada.get(&format!("/?track=Hop+{hop}&then=/")).send().await;
        }
        let own = "x".repeat(room);
        let answer = ada
            .request(Method::GET, &format!("/?session={own}&then=json"))
            .send()
            .await;
        assert_eq!(answer.status, 200, "{sessions:?}");
        assert_eq!(
            ada.get("/?then=json").send().await.json()["own"],
            own,
            "{sessions:?}"
        );
        assert_eq!(count(&app, &mut ada).await.len(), 10, "{sessions:?}");
    }
}

#[tokio::test]
async fn visitor_whose_cookies_were_held_back_keeps_the_session() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?session=signed+in").send().await;
    let mut from_bank = TestClient::browser(&app.url);
    let answer = from_bank
        .post("/?track=Paid&then=/", &[])
        .header("sec-fetch-site", "cross-site")
        .send()
        .await;
    assert_eq!((answer.status, answer.header("set-cookie")), (303, None));
    let older = from_bank
        .post("/?track=Paid&then=/", &[])
        .header("origin", "https://bank.example")
        .send()
        .await;
    assert_eq!(older.header("set-cookie"), None);
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        ["Paid", "Paid"]
    );
}

#[tokio::test]
async fn redirect_that_a_shared_cache_may_keep_sets_no_cookie() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    for cache in ["public,max-age=60", "max-age=60", "s-maxage=5"] {
        let answer = ada
            .get(&format!("/?track=Old&status=301&cache={cache}&then=/"))
            .send()
            .await;
        assert_eq!(
            (answer.status, answer.header("set-cookie")),
            (301, None),
            "{cache}"
        );
        assert_eq!(answer.header("cache-control"), Some(cache));
    }
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        ["Old", "Old", "Old"]
    );
    for status in [301, 302, 303, 307, 308] {
        let answer = ada
            .get(&format!("/?track=Old&status={status}&then=/"))
            .send()
            .await;
        assert!(answer.header("set-cookie").is_some(), "{status}");
        assert_eq!(answer.header("cache-control"), Some("private"), "{status}");
        ada.get("/").send().await;
    }
}

#[tokio::test]
async fn two_tabs_that_redirect_at_once_lose_nothing() {
    let app = start_app();
    let ada = TestClient::browser(&app.url);
    let (mut left, mut right) = (ada.clone(), ada);
    let (first, second) = tokio::join!(
        left.get("/?who=42&track=Left&then=/").send(),
        right.get("/?who=42&track=Right&then=/").send(),
    );
    let mut browser = TestClient::browser(&app.url);
    browser.store_cookies(&first);
    browser.store_cookies(&second);
    let mut said = browser.get("/").send().await.call_summary();
    said.sort_unstable();
    assert_eq!(said, ["identify 42", "track Left", "track Right"]);
    assert_eq!(carriers(&browser), 0);
}

#[tokio::test]
async fn fifty_redirects_at_once_leave_few_cookies_and_lose_none() {
    let build = |builder: mengpaneel::Builder| {
        builder.unclaimed_after(std::time::Duration::from_millis(300))
    };
    let app = TestApp::with_sessions(&SessionConfig::EncryptedCookie, routes::routes, build);
    let mut ada = TestClient::browser(&app.url);
    let tabs = (0..50).map(|tab| {
        let mut ada = ada.clone();
        tokio::spawn(async move {
            ada.get(&format!("/?who=42&track=Tab+{tab}&then=/"))
                .send()
                .await
        })
    });
    for tab in tabs.collect::<Vec<_>>() {
        ada.store_cookies(&tab.await.unwrap());
    }
    assert!(carriers(&ada) <= 4, "{:?}", ada.cookies.keys());
    let bytes: usize = ada
        .cookies
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    assert!(bytes <= 8_192, "{bytes}");
    let mut js = FakeMixpanelJs::new("d1");
    js.run(&ada.get("/").send().await);
    let store = &app.stand_in;
    let all = store
        .wait_for(TIMEOUT, |store| {
            (fake_mixpanel_js::all([&js], &store.events()).len() == 50).then_some(())
        })
        .await;
    assert!(
        all.is_ok(),
        "{} of 50",
        fake_mixpanel_js::all([&js], &store.events()).len()
    );
}

#[tokio::test]
async fn chain_of_redirects_loses_none_and_bounds_its_cookies() {
    for own in ["own".to_owned(), "x".repeat(2_400)] {
        let app = start_app();
        let mut ada = TestClient::browser(&app.url);
        ada.get(&format!("/?session={own}")).send().await;
        for hop in 0..50 {
            let page = ada
                .get(&format!("/?who=42&track=Hop+{hop:02}*3&then=/"))
                .send()
                .await;
            assert_eq!(page.status, 303, "hop {hop}");
            let bytes: usize = ada
                .cookies
                .iter()
                .map(|(name, value)| name.len() + value.len() + 3)
                .sum();
            assert!(bytes <= 6_200, "hop {hop}: {bytes} bytes of cookies");
        }
        assert_eq!(count(&app, &mut ada).await.len(), 150);
    }
}

#[tokio::test]
async fn response_head_stays_below_its_bound_in_redirects() {
    let app = start_app();
    for (cookie, waits) in [(10, true), (3_300, false)] {
        let mut ada = TestClient::browser(&app.url);
        let answer = ada
            .get(&format!("/?who=42&track=Buy*3&cookie={cookie}&then=/"))
            .send()
            .await;
        let head: usize = answer
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        assert!(head <= 4_096, "{head}");
        assert_eq!(carriers(&ada), usize::from(waits), "{cookie}");
    }
    // The session's own cookie is written after ours.
    let mut ada = TestClient::browser(&app.url);
    let own = "x".repeat(2_200);
    let answer = ada
        .get(&format!("/?session={own}&who=42&track=Buy*3&then=/"))
        .send()
        .await;
    let head: usize = answer
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len() + 4)
        .sum();
    assert!(head <= 4_096, "{head}");
    assert_eq!(event_names(&app.flush_and_collect().await).len(), 6);
}

#[tokio::test]
async fn response_head_stays_below_its_bound_for_capable_clients() {
    let app = start_app();
    for (own, events, fits) in [
        (0, 20, true),
        (2_500, 20, false),
        (2_500, 3, true),
        (0, 40, false),
    ] {
        app.stand_in.clear();
        let mut ada = TestClient::browser(&app.url);
        let path = format!("/?track=Buy*{events}&cookie={own}&then=json");
        let answer = ada.request(Method::GET, &path).capable().send().await;
        let head: usize = answer
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        assert!(head <= 4_096, "{head}");
        assert_eq!(
            answer.header("x-mengpaneel-calls").is_some(),
            fits,
            "{own} {events}"
        );
        let arrived = app.flush_and_collect().await;
        assert_eq!(arrived.len(), if fits { 0 } else { events });
    }
}

#[tokio::test]
async fn session_written_after_us_counts_for_capable_clients() {
    let app = start_app();
    let own = "x".repeat(2_000);
    let path = format!("/?session={own}&track=Buy*20&then=json");
    let answer = TestClient::browser(&app.url)
        .request(Method::GET, &path)
        .capable()
        .send()
        .await;
    assert_eq!(
        (answer.status, answer.header("x-mengpaneel-calls")),
        (200, None)
    );
    assert_eq!(app.flush_and_collect().await.len(), 20);
}

#[tokio::test]
async fn cookie_that_is_sent_twice_replays_once() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let pairs: Vec<_> = ada
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let twice = [pairs.clone(), pairs].concat().join("; ");
    ada.cookies = BTreeMap::new();
    assert_eq!(
        ada.get("/")
            .header("cookie", &twice)
            .send()
            .await
            .call_summary(),
        ["identify 42", "track Buy"]
    );
    assert_eq!(
        ada.get("/")
            .header("cookie", &twice)
            .send()
            .await
            .call_summary(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn machines_with_one_key_replay_each_others_cookies() {
    let redis = TestRedis::start();
    let shared = || {
        let outbox = mengpaneel::outbox::Redis::at(redis.url());
        TestApp::with_key(&SessionConfig::None, &[7; 64], routes::routes, |builder| {
            builder.outbox(outbox)
        })
    };
    let (one, two) = (shared(), shared());
    let mut ada = TestClient::browser(&one.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let (mut here, mut there) = (ada.with_base_url(&one.url), ada.with_base_url(&two.url));
    let mut said = there.get("/").send().await.call_summary();
    said.extend(here.get("/").send().await.call_summary());
    assert_eq!(
        said,
        ["identify 42", "track Buy"],
        "the second machine knows that the first one replayed it"
    );
}

#[tokio::test]
async fn planted_cookies_change_nothing() {
    let (app, other) = (start_app(), workshop_with_another_key());
    let mut mallory = TestClient::browser(&other.url);
    mallory.get("/?who=666&track=Planted&then=/").send().await;
    let mut ada = TestClient::browser(&app.url);
    ada.cookies = mallory.cookies.clone();
    for slot in 0..4 {
        ada.cookies
            .entry(format!("mengpaneel_delayed_calls.{slot}"))
            .or_insert_with(|| "planted".to_owned());
    }
    assert_eq!(
        ada.get("/?who=42&track=Buy&then=/").send().await.status,
        303
    );
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
    assert_eq!(carriers(&ada), 0);
}

fn workshop_with_another_key() -> TestApp {
    TestApp::build(routes::routes, |builder| {
        builder.cookie_key(Key::from(&[9; 64]))
    })
}

#[tokio::test]
async fn carrier_cookie_says_what_protects_it() {
    let trusting = TestApp::build(routes::routes, |builder| {
        builder.trusted_proxies(["127.0.0.1"])
    });
    let mut ada = TestClient::browser(&trusting.url);
    let plain = ada.get("/?track=Buy&then=/").send().await;
    let secure = ada
        .get("/?track=Buy&then=/")
        .header("x-forwarded-proto", "https")
        .send()
        .await;
    for (answer, is_secure) in [(plain, false), (secure, true)] {
        let cookie = answer.header("set-cookie").unwrap().to_owned();
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert_eq!(cookie.contains("Secure"), is_secure, "{cookie}");
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

#[tokio::test]
async fn renewed_cleared_and_purged_sessions_keep_calls_waiting() {
    let redis = TestRedis::start();
    for sessions in [
        SessionConfig::EncryptedCookie,
        SessionConfig::Redis(redis.url()),
    ] {
        for end in ["renew", "clear", "purge"] {
            let app = with(&sessions);
            let mut ada = TestClient::browser(&app.url);
            ada.get("/?session=own&track=Before&then=/").send().await;
            ada.get(&format!("/?who=42&session={end}&track=After&then=/"))
                .send()
                .await;
            let page = ada.get("/?who=-").send().await;
            assert_eq!(
                page.call_summary(),
                ["track Before", "track After"],
                "{end} {sessions:?}"
            );
            assert_eq!(
                page.property("After", "$user_id"),
                Some("42".into()),
                "{end} {sessions:?}"
            );
            let has_session = ada.cookies.contains_key("id");
            assert_eq!(has_session, end != "purge", "{end} {sessions:?}");
        }
    }
}

#[tokio::test]
async fn redirect_of_a_fetch_leaves_calls_to_the_next_page() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=First&then=/").send().await;
    let fetch = ada
        .request(Method::GET, "/?track=Second&then=/")
        .header("sec-fetch-mode", "cors");
    assert_eq!(fetch.send().await.status, 303);
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track First", "track Second"]
    );
    assert_eq!(
        event_names(&app.flush_and_collect().await),
        Vec::<&str>::new()
    );
}

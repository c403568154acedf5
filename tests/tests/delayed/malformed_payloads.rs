//! Payloads that are not what they should be, and replays that do not come to an answer.

use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::{App, HttpResponse, test, web};
use mengpaneel::Mengpaneel;
use mengpaneel_tests::{Log, TestApp, TestClient, event_names};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::start_app;

async fn leave(app: &TestApp, left: &str) -> TestClient {
    let mut ada = TestClient::browser(&app.url);
    let left: String = url::form_urlencoded::byte_serialize(left.as_bytes()).collect();
    ada.get(&format!("/?session=own&left={left}")).send().await;
    ada
}

#[tokio::test]
async fn a_payload_that_cannot_be_read_is_ignored_and_the_rest_of_the_session_kept() {
    let app = start_app();
    let deep = format!(
        "{{\"tracking\":[[[\"track\"],[{}{}]]]}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    let bad = [
        r#"{"tracking":[[["track"],["Sign In"]]"#,
        r#"{"tracking":[[["constructor"],["alert(1)"]]]}"#,
        r#"{"tracking":[[["people","__proto__"],[]]]}"#,
        r#"{"tracking":[["track","Sign In"]]}"#,
        r#"{"version":2,"calls":[]}"#,
        "[]",
        "null",
        "7",
        &deep,
    ];
    for bad in bad {
        let mut ada = leave(&app, bad).await;
        let page = ada.get("/?track=View").send().await;
        assert_eq!(
            (page.status, page.call_summary()),
            (200, vec!["track View".to_owned()]),
            "{bad}"
        );
        assert_eq!(
            ada.get("/?then=json").send().await.json()["own"],
            "own",
            "{bad}"
        );
    }
}

#[tokio::test]
async fn what_the_original_gem_left_in_a_session_is_told() {
    let app = start_app();
    let left =
        r#"{"before_setup":[[["alias"],["42"]]],"tracking":[[["track"],["Sign Up",{"ID":42}]]]}"#;
    let mut ada = leave(&app, left).await;
    assert_eq!(
        ada.get("/?who=42").send().await.call_summary(),
        ["alias 42", "identify 42", "track Sign Up"]
    );
}

#[tokio::test]
async fn changed_cookies_are_refused_and_removed() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&session=own&track=Buy&then=/")
        .send()
        .await;
    for value in ada.cookies.values_mut() {
        value.replace_range(..1, if value.starts_with('A') { "B" } else { "A" });
    }
    let page = ada.get("/?track=View").send().await;
    assert_eq!(
        (page.status, page.call_summary()),
        (200, vec!["track View".to_owned()])
    );
    assert!(
        !ada.cookies
            .keys()
            .any(|name| name.starts_with("mengpaneel_delayed_calls"))
    );
}

#[tokio::test]
async fn what_waited_longer_than_four_days_goes_by_the_server() {
    let app = start_app();
    let days_ago = |days: u64| {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        u64::try_from(now.as_millis()).unwrap() - days * 24 * 3_600_000
    };
    for (days, by_page) in [(3, true), (5, false), (30, false)] {
        app.stand_in.clear();
        let left = json!({"setup": [[["identify"], ["42"]]], "tracking": [[["track"], ["Old", {
            "time": days_ago(days), "$insert_id": format!("id-{days}"), "$user_id": "42", "distinct_id": "42"
        }]]]});
        let mut ada = leave(&app, &left.to_string()).await;
        let page = ada.get("/?who=42").send().await;
        assert_eq!(
            page.call_summary().contains(&"track Old".to_owned()),
            by_page,
            "{days}"
        );
        let arrived = app.flush_and_collect().await;
        assert_eq!(arrived.len(), usize::from(!by_page), "{days}");
    }
}

#[tokio::test]
async fn a_replay_that_panics_or_fails_in_an_inner_middleware_leaves_the_calls_where_they_were() {
    for fails in ["/?track=View&then=panic", "/failing?track=View"] {
        let app = start_app();
        let mut ada = TestClient::browser(&app.url);
        ada.get("/?who=42&track=Buy&then=/").send().await;
        let cookies = ada.cookies.clone();
        drop(ada.get(fails).try_send().await);
        assert_eq!(ada.cookies, cookies, "{fails}");
        assert_eq!(
            event_names(&app.flush_and_collect().await),
            ["View"],
            "{fails}"
        );
        assert_eq!(
            ada.get("/").send().await.call_summary(),
            ["identify 42", "track Buy"],
            "{fails}"
        );
        assert_eq!(
            ada.get("/").send().await.call_summary(),
            Vec::<String>::new(),
            "{fails}"
        );
    }
}

#[tokio::test]
async fn answer_that_is_no_page_leaves_the_calls_waiting() {
    for (path, status) in [
        ("/?then=err", 500),
        ("/?then=json", 200),
        ("/?status=304", 304),
        ("/?then=/", 303),
    ] {
        let app = start_app();
        let mut ada = TestClient::browser(&app.url);
        ada.get("/?who=42&track=Buy&then=/").send().await;
        let cookies = ada.cookies.clone();
        assert_eq!(ada.get(path).send().await.status, status);
        assert_eq!(ada.cookies, cookies, "{path}");
        assert_eq!(
            ada.get("/").send().await.call_summary(),
            ["identify 42", "track Buy"],
            "{path}"
        );
        assert_eq!(
            ada.get("/").send().await.call_summary(),
            Vec::<String>::new(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn error_page_replays_like_any_page() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    assert_eq!(
        ada.get("/?status=500").send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn page_that_a_shared_cache_may_keep_leaves_calls_waiting() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let page = ada.get("/?cache=public,max-age=60").send().await;
    assert_eq!(
        (page.call_summary(), page.header("set-cookie")),
        (vec![], None)
    );
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
}

#[tokio::test]
async fn a_replay_whose_client_hangs_up_leaves_the_calls_where_they_were() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    ada.get("/?who=42&track=Buy&then=/").send().await;
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let cookie: Vec<_> = ada
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let cookie = cookie.join("; ");
    let head = format!(
        "GET /?track=View&gate=never HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\ncookie: {cookie}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    TestClient::machine(&app.url)
        .get("/reached/never")
        .send()
        .await;
    // A reset, which drops the handler where it waits; a plain close would let it finish.
    stream.set_zero_linger().unwrap();
    drop(stream);
    app.stand_in
        .wait_for_event(mengpaneel_tests::TIMEOUT, "View")
        .await
        .unwrap();
    assert_eq!(
        ada.get("/").send().await.call_summary(),
        ["identify 42", "track Buy"]
    );
}

#[actix_web::test]
async fn one_warning_tells_that_redirects_need_a_key() {
    for (has_key, expected) in [(false, 1), (true, 0)] {
        let log = Log::default();
        let _captured = log.capture();
        let builder = Mengpaneel::builder("demo");
        let builder = if has_key {
            builder.cookie_key(Key::from(&[7; 64]))
        } else {
            builder
        };
        let mengpaneel = builder.build().unwrap();
        let go = || async {
            mengpaneel::track("Buy", ());
            HttpResponse::SeeOther()
                .insert_header(("location", "/"))
                .finish()
        };
        for _worker in 0..2 {
            let app = App::new()
                .default_service(web::to(go))
                .wrap(mengpaneel.clone());
            let app = test::init_service(app).await;
            for _ in 0..2 {
                let request = test::TestRequest::get().insert_header(("host", "a.example"));
                test::call_service(
                    &app,
                    request.insert_header(("accept", "text/html")).to_request(),
                )
                .await;
            }
        }
        let warnings = log.entries("WARN");
        let warnings: Vec<_> = warnings
            .iter()
            .filter(|line| line.contains(".cookie_key(key)"))
            .collect();
        assert_eq!(warnings.len(), expected, "{warnings:?}");
    }
}

#[actix_web::test]
async fn one_line_tells_why_a_session_payload_is_ignored() {
    let log = Log::default();
    let _captured = log.capture();
    let mengpaneel = Mengpaneel::builder("demo").build().unwrap();
    let left = |session: actix_session::Session| async move {
        session
            .insert("mengpaneel_delayed_calls", Value::from(7))
            .unwrap();
        HttpResponse::Ok().finish()
    };
    let app = App::new()
        .route("/leave", web::get().to(left))
        .default_service(web::to(|| async {
            HttpResponse::Ok()
                .content_type("text/html")
                .body("<!doctype html><head>")
        }))
        .wrap(mengpaneel)
        .wrap(SessionMiddleware::new(
            CookieSessionStore::default(),
            Key::from(&[7; 64]),
        ));
    let app = test::init_service(app).await;
    let answer =
        test::call_service(&app, test::TestRequest::get().uri("/leave").to_request()).await;
    let cookie = answer.response().cookies().next().unwrap().into_owned();
    let page = test::TestRequest::get()
        .cookie(cookie)
        .insert_header(("accept", "text/html"));
    test::call_service(&app, page.insert_header(("host", "a.example")).to_request()).await;
    let lines = log.entries("DEBUG");
    let lines: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("ignored delayed calls"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
}

//! Requests that bring delayed calls but do not end with a page that runs them.

use mengpaneel_tests::{TIMEOUT, TestClient, event_names};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::scenario::{
    HEADER, Outcome, Scenario, WithScenario as _, navigate, next_page, wait_until_reached,
};
use crate::scenario_app::start_app;

#[tokio::test]
async fn failed_replay_leaves_calls_delayed() {
    let view = || Scenario::page().track("View");
    let panic = Scenario::ending(Outcome::Panic).track("View");
    for (path, scenario) in [("/", panic), ("/failing", view())] {
        let app = start_app();
        let mut ada = TestClient::browser(&app.url);
        navigate(&mut ada, Scenario::buy()).await;
        let cookies = ada.cookies.clone();
        drop(ada.get(path).scenario(&scenario).try_send().await);
        assert_eq!(ada.cookies, cookies, "{scenario:?}");
        assert_eq!(
            event_names(&app.flush_and_collect().await),
            ["View"],
            "{scenario:?}"
        );
        assert_eq!(
            next_page(&mut ada).await,
            ["identify 42", "track Buy"],
            "{scenario:?}"
        );
        assert_eq!(
            next_page(&mut ada).await,
            Vec::<String>::new(),
            "{scenario:?}"
        );
    }
}

#[tokio::test]
async fn response_without_page_leaves_calls_delayed() {
    for (scenario, status) in [
        (Scenario::ending(Outcome::Error), 500),
        (Scenario::json(), 200),
        (Scenario::page().status(304), 304),
        (Scenario::redirect(), 303),
    ] {
        let app = start_app();
        let mut ada = TestClient::browser(&app.url);
        navigate(&mut ada, Scenario::buy()).await;
        let cookies = ada.cookies.clone();
        let response = navigate(&mut ada, scenario.clone()).await;
        assert_eq!(response.status, status);
        assert_eq!(ada.cookies, cookies, "{scenario:?}");
        assert_eq!(
            next_page(&mut ada).await,
            ["identify 42", "track Buy"],
            "{scenario:?}"
        );
        assert_eq!(
            next_page(&mut ada).await,
            Vec::<String>::new(),
            "{scenario:?}"
        );
    }
}

#[tokio::test]
async fn error_page_replays_delayed_calls() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    let page = navigate(&mut ada, Scenario::page().status(500)).await;
    assert_eq!(page.call_summary(), ["identify 42", "track Buy"]);
    assert_eq!(next_page(&mut ada).await, Vec::<String>::new());
}

#[tokio::test]
async fn publicly_cacheable_page_leaves_calls_delayed() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    let cacheable = Scenario::page().cache_control("public,max-age=60");
    let page = navigate(&mut ada, cacheable).await;
    assert_eq!(
        (page.call_summary(), page.header("set-cookie")),
        (vec![], None)
    );
    assert_eq!(next_page(&mut ada).await, ["identify 42", "track Buy"]);
}

#[tokio::test]
async fn client_disconnect_leaves_calls_delayed() {
    let app = start_app();
    let mut ada = TestClient::browser(&app.url);
    navigate(&mut ada, Scenario::buy()).await;
    let address = app.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let scenario = Scenario::page().track("View").gate("never");
    let head = format!(
        "GET / HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\ncookie: {}\r\n{HEADER}: {}\r\n\r\n",
        ada.cookie_header(),
        scenario.header_value()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    wait_until_reached(&app, "never").await;
    // A reset drops the handler at its gate; after an orderly close the handler would go on.
    stream.set_zero_linger().unwrap();
    drop(stream);
    let view = app.stand_in.wait_for_event(TIMEOUT, "View").await;
    view.unwrap();
    assert_eq!(next_page(&mut ada).await, ["identify 42", "track Buy"]);
}

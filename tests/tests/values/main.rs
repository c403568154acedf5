//! Property values, which arrive unchanged by page, header, carrier cookie and server.

mod app;
mod escaping;
mod generate;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use mengpaneel::Method;
use mengpaneel_tests::{TestClient, TestResponse};
use serde_json::{Value, json};

use app::{spec_path, start_app};
use generate::{are_equal, generate, is_misread, recorded};

/// Runs the calls of a page in Node.js, and returns the events by name.
fn run_in_node(page: &TestResponse) -> BTreeMap<String, Value> {
    const SCRIPT: &str = "
        const events = [];
        const mixpanel = { track: (...args) => events.push(args) };
        const lines = require('fs').readFileSync(0, 'utf8').split('\\n');
        for (const line of lines) if (line.startsWith('this.track(')) new Function(line).call(mixpanel);
        console.log(JSON.stringify(events));";
    let mut node = Command::new("node")
        .args(["-e", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    node.stdin
        .take()
        .unwrap()
        .write_all(page.body.as_bytes())
        .unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", page.body);
    let events: Vec<(String, Value)> = serde_json::from_slice(&output.stdout).unwrap();
    events.into_iter().collect()
}

/// Returns the events in the header by name.
fn header_events(response: &TestResponse) -> BTreeMap<String, Value> {
    let events = response
        .calls()
        .into_iter()
        .filter(|call| call.method() == &Method::Track);
    events
        .map(|call| (call.str_arg(0).unwrap().to_owned(), call.args()[1].clone()))
        .collect()
}

#[tokio::test]
async fn value_is_equal_in_page_header_cookie_and_server() {
    // Small enough that most batches fit into a cookie.
    const BATCH: usize = 2;
    let app = start_app();
    let mut browser = TestClient::browser(&app.url).with_header("accept", "text/html");
    let mut script =
        TestClient::browser(&app.url).with_header("x-mengpaneel-flush-capable", "true");
    let mut machine = TestClient::machine(&app.url);
    let all = generate(160);
    let mut arrived: BTreeMap<String, Value> = BTreeMap::new();
    for (round, batch) in all.chunks(BATCH).enumerate() {
        for channel in ["page", "header", "cookie", "server"] {
            let named = batch.iter().enumerate().map(|(index, properties)| {
                (format!("{channel} {}", round * BATCH + index), properties)
            });
            let events = serde_json::to_string(&named.collect::<Vec<_>>()).unwrap();
            let response = match channel {
                "page" => "page",
                "cookie" => "redirect",
                _ => "json",
            };
            let path = spec_path(&[("response", response), ("events", &events)]);
            arrived.extend(match channel {
                "page" => run_in_node(&browser.get(&path).send().await),
                "header" => header_events(&script.get(&path).send().await),
                "cookie" => {
                    browser.get(&path).send().await;
                    run_in_node(&browser.get("/?response=page").send().await)
                }
                _ => {
                    machine.get(&path).send().await;
                    BTreeMap::new()
                }
            });
        }
    }
    let browser_count = arrived.len();
    for event in app.flush_and_collect().await {
        let duplicate = arrived.insert(event.event().to_owned(), event.body["properties"].clone());
        assert_eq!(duplicate, None, "{} from browser and server", event.event());
    }
    let mut cookie_count = 0;
    for (index, value) in all.iter().enumerate() {
        let expected = recorded(value);
        for channel in ["page", "header", "cookie", "server"] {
            let name = format!("{channel} {index}");
            let found = arrived
                .get(&name)
                .unwrap_or_else(|| panic!("{name} is lost: {value}"));
            for (key, value) in expected.as_object().unwrap() {
                let actual = found.get(key);
                assert!(
                    actual.is_some_and(|actual| are_equal(actual, value)),
                    "{name}: {key:?}: {value} became {actual:?}"
                );
            }
            // Only the server adds the token.
            let is_from_server = found.get("token").is_some();
            // The server delivers events that do not fit into a carrier cookie.
            let exceeds_cookie = channel == "cookie" && is_from_server;
            assert!(
                exceeds_cookie || is_from_server == (channel == "server" || is_misread(&expected)),
                "{name}: {value}"
            );
            cookie_count += usize::from(channel == "cookie" && !is_from_server);
        }
    }
    assert!(
        browser_count > 240 && cookie_count > 60,
        "{browser_count} {cookie_count}"
    );
}

#[tokio::test]
async fn property_named_proto_cannot_change_the_user() {
    let app = start_app();
    let mut browser = TestClient::browser(&app.url).with_header("accept", "text/html");
    let events = r#"[["X",{"__proto__":{"$user_id":"9"},"a":1}],["constructor",{}],["Y",{"length":5}],["Z",{"a":1}]]"#;
    let page = browser
        .get(&spec_path(&[("response", "page"), ("events", events)]))
        .send()
        .await;
    assert_eq!(page.call_summary(), ["track Z"]);
    let sent = app.flush_and_collect().await;
    assert_eq!(
        sent.iter()
            .map(stand_in::Received::event)
            .collect::<Vec<_>>(),
        ["X", "constructor", "Y"]
    );
    assert_eq!(sent[0].property("__proto__"), &json!({"$user_id": "9"}));
    assert_eq!(sent[2].property("length"), &json!(5));
}

#[tokio::test]
async fn server_delivers_large_property() {
    let app = start_app();
    let mut browser = TestClient::browser(&app.url).with_header("accept", "text/html");
    for (bytes, is_in_page) in [(10_000, true), (70_000, false), (600_000, false)] {
        let page = browser
            .get(&spec_path(&[
                ("response", "page"),
                ("large", &bytes.to_string()),
            ]))
            .send()
            .await;
        assert_eq!(
            page.call_summary().len(),
            if is_in_page { 2 } else { 0 },
            "{bytes}"
        );
        assert!(page.body.len() < 100_000);
    }
    let sent = app.flush_and_collect().await;
    assert_eq!(sent.len(), 4);
}

#[tokio::test]
async fn calls_header_of_application_is_removed() {
    let app = start_app();
    let forged = r#"[[["people","delete_user"],[]]]"#;
    let path = |response, events| {
        spec_path(&[
            ("response", response),
            ("forged", forged),
            ("events", events),
        ])
    };
    let browser = || TestClient::browser(&app.url);
    let opted_out = browser().with_header("dnt", "1");
    let visitors = [
        browser(),
        browser().with_header("x-mengpaneel-flush-capable", "true"),
        TestClient::machine(&app.url),
        opted_out,
    ];
    for mut visitor in visitors {
        for response in ["page", "json", "redirect"] {
            let page = visitor.get(&path(response, "[]")).send().await;
            assert_eq!(
                (
                    page.header("x-mengpaneel-calls"),
                    page.header("x-mengpaneel-setup")
                ),
                (None, None),
                "{response}"
            );
        }
    }
    let page = browser()
        .with_header("x-mengpaneel-flush-capable", "true")
        .get(&path("json", r#"[["X",{}]]"#))
        .send()
        .await;
    assert_eq!(
        (page.call_summary(), page.header("x-mengpaneel-setup")),
        (vec!["track X".to_owned()], None)
    );
}

#[tokio::test]
async fn setup_event_before_redirect_is_delivered() {
    let app = start_app();
    let mut browser = TestClient::browser(&app.url).with_header("accept", "text/html");
    for next in [
        vec![("response", "page")],
        vec![("response", "page"), ("setup", r#"[["B",{}]]"#)],
    ] {
        browser
            .get(&spec_path(&[
                ("response", "redirect"),
                ("setup", r#"[["A",{}]]"#),
            ]))
            .send()
            .await;
        let page = browser.get(&spec_path(&next)).send().await;
        assert!(
            page.call_summary().contains(&"track A".to_owned()),
            "{:?}",
            page.call_summary()
        );
    }
    let mut machine = TestClient::machine(&app.url);
    machine
        .get(&spec_path(&[
            ("response", "json"),
            ("setup", r#"[["C",{}]]"#),
        ]))
        .send()
        .await;
    let sent = app.flush_and_collect().await;
    assert_eq!(
        sent.iter()
            .map(stand_in::Received::event)
            .collect::<Vec<_>>(),
        ["C"]
    );
}

//! One value means the same in a page, a header, a carrier cookie and a message of the server's.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use mengpaneel::{Method, Mixpanel};
use mengpaneel_tests::{TestApp, TestClient, TestResponse};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use serde_json::{Value, json};

/// Calls that a request records, and the form of its response.
#[derive(Deserialize)]
struct Wish {
    /// `page`, `json`, or `redirect`.
    answer: String,
    /// Names and properties of events, as JSON.
    #[serde(default)]
    events: String,
    /// Events that are recorded in setup mode.
    #[serde(default)]
    setup: String,
    /// Length of a text that is a property of the event `Large`.
    #[serde(default)]
    large: usize,
    /// A value for the header that carries calls.
    #[serde(default)]
    forged: String,
}

async fn act(mixpanel: Mixpanel, wish: web::Query<Wish>) -> HttpResponse {
    let events =
        |text: &str| serde_json::from_str::<Vec<(String, Value)>>(text).unwrap_or_default();
    let setup = events(&wish.setup);
    if !setup.is_empty() {
        mixpanel.setup(|mixpanel| {
            setup
                .iter()
                .for_each(|(name, own)| mixpanel.track(name, own))
        });
    }
    for (name, own) in events(&wish.events) {
        mixpanel.track(name, own);
    }
    if wish.large > 0 {
        mixpanel.track("Large", json!({"text": "x".repeat(wish.large)}));
        mixpanel.call(Method::Track, vec![json!("Small")]);
    }
    let mut response = match wish.answer.as_str() {
        "redirect" => HttpResponse::SeeOther(),
        _ => HttpResponse::Ok(),
    };
    if !wish.forged.is_empty() {
        response.insert_header(("x-mengpaneel-calls", wish.forged.as_str()));
        response.insert_header(("X-Mengpaneel-Setup", "0123456789abcdef"));
    }
    match wish.answer.as_str() {
        "page" => response
            .content_type("text/html; charset=utf-8")
            .body("<!doctype html><title>x</title><body>"),
        "redirect" => response
            .insert_header((header::LOCATION, "/act?answer=page"))
            .finish(),
        _ => response.json(json!({})),
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config.route("/act", web::get().to(act));
}

fn start_app() -> TestApp {
    TestApp::build(routes, |builder| builder.max_header(1 << 20))
}

fn path(wish: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::from("/act?"));
    query.extend_pairs(wish);
    query.finish()
}

/// The events that a page's script makes, by name: the calls are run by a JavaScript engine.
fn run_by_javascript(page: &TestResponse) -> BTreeMap<String, Value> {
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

/// The events in a header, by name.
fn in_header(page: &TestResponse) -> BTreeMap<String, Value> {
    let events = page
        .calls()
        .into_iter()
        .filter(|call| call.method() == &Method::Track);
    events
        .map(|call| (call.str_arg(0).unwrap().to_owned(), call.args()[1].clone()))
        .collect()
}

/// The value as it is recorded: integers that a browser would round are texts.
fn recorded(value: &Value) -> Value {
    const EXACT: u64 = 1 << 53;
    match value {
        Value::Number(number) if !number.is_f64() => {
            let magnitude = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            if magnitude.is_some_and(|magnitude| magnitude <= EXACT) {
                value.clone()
            } else {
                json!(number.to_string())
            }
        }
        Value::Array(items) => items.iter().map(recorded).collect(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), recorded(value)))
            .collect(),
        value => value.clone(),
    }
}

/// Returns whether two values are the same to whoever reads JSON: `1.0` and `1` are.
fn are_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| are_same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Returns whether mixpanel-js would take an object in it for something else.
fn is_misread(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(is_misread),
        Value::Object(members) => members.iter().any(|(key, value)| {
            key == "__proto__" || (key == "length" && value.is_number()) || is_misread(value)
        }),
        _ => false,
    }
}

fn values(count: usize) -> Vec<Value> {
    let key = prop_oneof![
        3 => proptest::sample::select(vec![
            "__proto__", "constructor", "hasOwnProperty", "toString", "valueOf", "length", "prototype", "toJSON", "then",
            "__defineGetter__", "isPrototypeOf", "forEach", "", "0", "-1", "NaN", "undefined", "</script>", "<!--", "\u{2028}",
            "a\"b", "\\", "\\u0041", "$a", "\u{feff}", "\0", "😀", "\u{10ffff}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    let text = prop_oneof![
        "\\PC{0,12}".boxed(),
        ".{0,12}".boxed(),
        proptest::sample::select(vec![
            "</script><script>alert(1)</script>",
            "<!--<script>",
            "\\ud800",
            "\u{2028}\u{2029}",
            "\u{1b}(J\"",
            "'`${1}`",
            "]]>",
        ])
        .prop_map(str::to_owned)
        .boxed(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (u64::MAX - 5..=u64::MAX).prop_map(Value::from),
        (-(1_i64 << 53) - 2..=-(1_i64 << 53) + 2).prop_map(Value::from),
        ((1_i64 << 53) - 2..=(1_i64 << 53) + 2).prop_map(Value::from),
        (-9_i64..9).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let nested = leaf.prop_recursive(3, 16, 4, {
        let key = key.clone();
        move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(Value::from),
                btree_map(key.clone(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        }
    });
    let properties =
        btree_map(key, nested, 1..5).prop_map(|members| members.into_iter().collect::<Value>());
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| properties.new_tree(&mut runner).unwrap().current())
        .collect()
}

#[tokio::test]
async fn a_value_is_the_same_by_page_header_cookie_and_server() {
    // So few that most batches have room in a cookie.
    const BATCH: usize = 2;
    let app = start_app();
    let mut browser = TestClient::browser(&app.url).with_header("accept", "text/html");
    let mut script =
        TestClient::browser(&app.url).with_header("x-mengpaneel-flush-capable", "true");
    let mut machine = TestClient::machine(&app.url);
    let all = values(160);
    let mut came: BTreeMap<String, Value> = BTreeMap::new();
    for (round, batch) in all.chunks(BATCH).enumerate() {
        for way in ["page", "header", "cookie", "server"] {
            let named = batch
                .iter()
                .enumerate()
                .map(|(at, own)| (format!("{way} {}", round * BATCH + at), own));
            let events = serde_json::to_string(&named.collect::<Vec<_>>()).unwrap();
            let answer = match way {
                "page" => "page",
                "cookie" => "redirect",
                _ => "json",
            };
            let wish = path(&[("answer", answer), ("events", &events)]);
            came.extend(match way {
                "page" => run_by_javascript(&browser.get(&wish).send().await),
                "header" => in_header(&script.get(&wish).send().await),
                "cookie" => {
                    browser.get(&wish).send().await;
                    run_by_javascript(&browser.get("/act?answer=page").send().await)
                }
                _ => {
                    machine.get(&wish).send().await;
                    BTreeMap::new()
                }
            });
        }
    }
    let by_browser = came.len();
    for event in app.flush_and_collect().await {
        let before = came.insert(event.event().to_owned(), event.body["properties"].clone());
        assert_eq!(before, None, "{} by browser and server", event.event());
    }
    let mut in_cookies = 0;
    for (at, given) in all.iter().enumerate() {
        let expected = recorded(given);
        for way in ["page", "header", "cookie", "server"] {
            let name = format!("{way} {at}");
            let found = came
                .get(&name)
                .unwrap_or_else(|| panic!("{name} is lost: {given}"));
            for (key, value) in expected.as_object().unwrap() {
                let got = found.get(key);
                assert!(
                    got.is_some_and(|got| are_same(got, value)),
                    "{name}: {key:?}: {value} became {got:?}"
                );
            }
            // What a browser ran has nothing of the server's.
            let is_by_server = found.get("token").is_some();
            // A carrier cookie may have no room.
            let may_have_no_room = way == "cookie" && is_by_server;
            assert!(
                may_have_no_room || is_by_server == (way == "server" || is_misread(&expected)),
                "{name}: {given}"
            );
            in_cookies += usize::from(way == "cookie" && !is_by_server);
        }
    }
    assert!(
        by_browser > 240 && in_cookies > 60,
        "{by_browser} {in_cookies}"
    );
}

#[tokio::test]
async fn an_event_of_user_7_is_never_sent_as_user_9s() {
    let app = start_app();
    let mut browser = TestClient::browser(&app.url).with_header("accept", "text/html");
    let events = r#"[["X",{"__proto__":{"$user_id":"9"},"a":1}],["constructor",{}],["Y",{"length":5}],["Z",{"a":1}]]"#;
    let page = browser
        .get(&path(&[("answer", "page"), ("events", events)]))
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
async fn a_large_property_goes_by_the_server() {
    let app = start_app();
    let mut browser = TestClient::browser(&app.url).with_header("accept", "text/html");
    for (bytes, is_in_page) in [(10_000, true), (70_000, false), (600_000, false)] {
        let page = browser
            .get(&path(&[("answer", "page"), ("large", &bytes.to_string())]))
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
async fn calls_that_the_application_sets_in_a_header_are_removed() {
    let app = start_app();
    let forged = r#"[[["people","delete_user"],[]]]"#;
    let wish = |answer, events| path(&[("answer", answer), ("forged", forged), ("events", events)]);
    let browser = || TestClient::browser(&app.url);
    let opted_out = browser().with_header("dnt", "1");
    let visitors = [
        browser(),
        browser().with_header("x-mengpaneel-flush-capable", "true"),
        TestClient::machine(&app.url),
        opted_out,
    ];
    for mut visitor in visitors {
        for answer in ["page", "json", "redirect"] {
            let page = visitor.get(&wish(answer, "[]")).send().await;
            assert_eq!(
                (
                    page.header("x-mengpaneel-calls"),
                    page.header("x-mengpaneel-setup")
                ),
                (None, None),
                "{answer}"
            );
        }
    }
    let page = browser()
        .with_header("x-mengpaneel-flush-capable", "true")
        .get(&wish("json", r#"[["X",{}]]"#))
        .send()
        .await;
    assert_eq!(
        (page.call_summary(), page.header("x-mengpaneel-setup")),
        (vec!["track X".to_owned()], None)
    );
}

#[tokio::test]
async fn an_event_of_setup_before_a_redirect_is_delivered() {
    let app = start_app();
    let mut browser = TestClient::browser(&app.url).with_header("accept", "text/html");
    for next in [
        vec![("answer", "page")],
        vec![("answer", "page"), ("setup", r#"[["B",{}]]"#)],
    ] {
        browser
            .get(&path(&[("answer", "redirect"), ("setup", r#"[["A",{}]]"#)]))
            .send()
            .await;
        let page = browser.get(&path(&next)).send().await;
        assert!(
            page.call_summary().contains(&"track A".to_owned()),
            "{:?}",
            page.call_summary()
        );
    }
    let mut machine = TestClient::machine(&app.url);
    machine
        .get(&path(&[("answer", "json"), ("setup", r#"[["C",{}]]"#)]))
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

mod connection;
mod mixpanel;
mod raw;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::call::{Call, Method};
use crate::deliver::http::tests::mixpanel::Mixpanel;
use crate::deliver::http::{Credentials, HttpClient, HttpConfig, SendError, SendErrorKind};
use crate::deliver::partitions::Partitions;
use crate::translate::message::{Endpoint, Message};
use crate::translate::outgoing::Outgoing;

impl Mixpanel {
    async fn deliver(&self, messages: Vec<Message>) -> Vec<Option<SendError>> {
        deliver(&self.url, Duration::from_secs(30), messages).await
    }
}

async fn deliver(url: &str, timeout: Duration, messages: Vec<Message>) -> Vec<Option<SendError>> {
    deliver_as(Credentials::Token, url, timeout, messages).await
}

async fn deliver_as(
    credentials: Credentials,
    url: &str,
    timeout: Duration,
    messages: Vec<Message>,
) -> Vec<Option<SendError>> {
    let client = HttpClient::new(HttpConfig {
        token: "t0ken".into(),
        api_host: url.into(),
        credentials,
        timeout,
    })
    .unwrap();
    let mut partitions = Partitions::default();
    partitions.reset(messages.len());
    let outgoing: Vec<Outgoing> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| partitions.add_message(message, index))
        .collect();
    let errors = client.send(outgoing.iter(), &partitions).await;
    assert!(
        errors.is_sorted_by(|(a, _), (b, _)| a < b),
        "each index once, in order"
    );
    let mut outcomes = vec![None; outgoing.len()];
    for (index, error) in errors {
        outcomes[index] = Some(error);
    }
    outcomes
}

fn event(id: u32) -> Message {
    Message {
        endpoint: Endpoint::Events,
        body: json!({"event": "E", "properties": {"$insert_id": id.to_string()}}),
        call: Call::new(Method::Track, vec![json!("E")]),
    }
}

fn people(method: Method, operation: &str) -> Message {
    Message {
        endpoint: Endpoint::People,
        body: json!({"$token": "t0ken", operation: {"a": 1}}),
        call: Call::new(method, vec![json!({"a": 1})]),
    }
}

fn set() -> Message {
    people(Method::PeopleSet, "$set")
}

fn increment() -> Message {
    people(Method::PeopleIncrement, "$add")
}

fn group() -> Message {
    Message {
        endpoint: Endpoint::Groups,
        ..people(Method::GroupSet, "$set")
    }
}

/// Name of an outcome, without its reason.
fn kind(outcome: Option<&SendError>) -> &'static str {
    match outcome.map(|error| error.kind) {
        None => "delivered",
        Some(SendErrorKind::Rejected) => "rejected",
        Some(SendErrorKind::Retry) => "retry",
        Some(SendErrorKind::NotServed) => "not served",
        Some(SendErrorKind::InDoubt) => "in doubt",
        Some(SendErrorKind::Unauthorized) => "unauthorized",
    }
}

fn kinds(outcomes: &[Option<SendError>]) -> Vec<&'static str> {
    outcomes
        .iter()
        .map(|outcome| kind(outcome.as_ref()))
        .collect()
}

#[actix_web::test]
async fn endpoints_receive_messages_in_their_own_form() {
    let mixpanel = Mixpanel::with_responses(vec![]);
    let outcomes = mixpanel
        .deliver(vec![set(), event(1), group(), event(2)])
        .await;
    assert_eq!(outcomes, vec![None; 4]);

    let mut requests = mixpanel.requests().clone();
    requests.sort_by(|a, b| a.path.cmp(&b.path));
    let [engage, groups, import] = requests.as_slice() else {
        panic!("expected three requests: {requests:?}");
    };
    assert_eq!(engage.path, "/engage?verbose=1&ip=0");
    assert_eq!(engage.body, json!([set().body]));
    assert_eq!((&engage.encoding, &engage.authorization), (&None, &None));
    assert_eq!(groups.path, "/groups?verbose=1&ip=0");
    assert_eq!(groups.body, json!([group().body]));
    assert_eq!((&groups.encoding, &groups.authorization), (&None, &None));
    assert_eq!(import.path, "/import?strict=1");
    assert_eq!(import.body, json!([event(1).body, event(2).body]));
    assert_eq!(import.encoding.as_deref(), Some("gzip"));
    // `t0ken:` in base64.
    assert_eq!(import.authorization.as_deref(), Some("Basic dDBrZW46"));
}

#[actix_web::test]
async fn service_account_sends_project_id() {
    let mixpanel = Mixpanel::with_responses(vec![]);
    let account = Credentials::ServiceAccount {
        user: "me".into(),
        secret: "s3cret".into(),
        project_id: "7&8".into(),
    };
    assert!(!format!("{account:?}").contains("s3cret"));
    let timeout = Duration::from_secs(30);
    deliver_as(
        account,
        &format!("{}/mp", mixpanel.url),
        timeout,
        vec![event(1)],
    )
    .await;
    let requests = mixpanel.requests().clone();
    assert_eq!(requests[0].path, "/mp/import?strict=1&project_id=7%268");
    // `me:s3cret` in base64.
    assert_eq!(
        requests[0].authorization.as_deref(),
        Some("Basic bWU6czNjcmV0")
    );
}

#[actix_web::test]
async fn error_contains_url_that_answered() {
    for (status, message, path) in [
        (401, event(1), "import"),
        (404, set(), "engage"),
        (400, group(), "groups"),
        (500, increment(), "engage"),
    ] {
        let mixpanel = Mixpanel::with_responses(vec![(status, None, json!({"error": "no"}))]);
        let url = format!("{}/mp", mixpanel.url);
        let account = Credentials::ServiceAccount {
            user: "me".into(),
            secret: "s3cret".into(),
            project_id: "7".into(),
        };
        let outcome = deliver_as(account, &url, Duration::from_secs(30), vec![message])
            .await
            .remove(0);
        let shown = format!("{outcome:?}");
        assert!(
            shown.contains(&format!("\"{url}/{path}: status {status}: no\"")),
            "{shown}"
        );
    }
}

#[actix_web::test]
async fn no_messages_send_no_request() {
    let mixpanel = Mixpanel::with_responses(vec![]);
    assert_eq!(mixpanel.deliver(vec![]).await, []);
    assert_eq!(mixpanel.requests().len(), 0);
}

#[actix_web::test]
async fn invalid_events_do_not_reject_the_others() {
    let mixpanel = Mixpanel::with_responses(vec![(
        400,
        None,
        json!({"code": 400, "error": "some data points in the request failed validation", "failed_records": [
            {"index": 1, "insert_id": "2", "field": "properties.time", "message": "too far in the future"},
            {"$insert_id": "4", "message": "bad"}
        ]}),
    )]);
    let outcomes = mixpanel.deliver((1..=5).map(event).collect()).await;
    let rejected = |reason: &str| {
        Some(SendError {
            kind: SendErrorKind::Rejected,
            retry_after: None,
            reason: format!("{}/import: {reason}", mixpanel.url),
        })
    };
    let expected = [
        None,
        rejected("properties.time: too far in the future"),
        None,
        rejected("bad"),
        None,
    ];
    assert_eq!(outcomes, expected);
}

#[actix_web::test]
async fn too_large_batch_is_halved_down_to_one_message() {
    let mixpanel = Mixpanel::with_limit(2);
    let outcomes = mixpanel.deliver((0..7).map(event).collect()).await;
    assert_eq!(outcomes, vec![None; 7]);
    let requests = mixpanel.requests().clone();
    let sizes: Vec<usize> = requests
        .iter()
        .map(|request| request.body.as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [7, 3, 1, 2, 4, 2, 2]);

    let mixpanel = Mixpanel::with_limit(0);
    assert_eq!(kinds(&mixpanel.deliver(vec![event(1)]).await), ["rejected"]);
}

#[actix_web::test]
async fn outcome_depends_on_status_and_idempotence() {
    let none = Value::Null;
    let page = json!("<html>Welcome</html>");
    let rejection = json!({"status": 0, "error": "data, missing or empty"});
    let table = [
        // Status, Retry-After, body; outcomes of an event, a set and an increment.
        (
            200,
            None,
            json!({"code": 200, "status": "OK"}),
            ["delivered"; 3],
        ),
        (200, None, json!(1), ["delivered"; 3]),
        (200, None, json!(""), ["delivered"; 3]),
        (200, None, rejection, ["delivered", "rejected", "rejected"]),
        (200, None, json!(0), ["delivered", "rejected", "rejected"]),
        (200, None, page, ["not served", "not served", "in doubt"]),
        (301, None, none.clone(), ["not served"; 3]),
        (302, None, none.clone(), ["not served"; 3]),
        (303, None, none.clone(), ["not served"; 3]),
        (307, None, none.clone(), ["not served"; 3]),
        (308, None, none.clone(), ["not served"; 3]),
        (400, None, json!({"error": "no JSON"}), ["rejected"; 3]),
        (
            401,
            None,
            json!({"error": "Invalid credentials"}),
            ["unauthorized"; 3],
        ),
        (403, None, none.clone(), ["unauthorized"; 3]),
        (404, None, none.clone(), ["not served"; 3]),
        (
            404,
            Some("3"),
            json!({"error": "no such path"}),
            ["not served"; 3],
        ),
        (405, None, none.clone(), ["not served"; 3]),
        (407, None, none.clone(), ["not served"; 3]),
        (410, None, none.clone(), ["not served"; 3]),
        (415, None, none.clone(), ["not served"; 3]),
        (421, None, none.clone(), ["not served"; 3]),
        (422, None, none.clone(), ["rejected"; 3]),
        (426, None, none.clone(), ["not served"; 3]),
        (408, None, none.clone(), ["retry"; 3]),
        (429, None, none.clone(), ["retry"; 3]),
        (500, None, none.clone(), ["retry", "retry", "in doubt"]),
        (501, None, none.clone(), ["retry", "retry", "in doubt"]),
        (502, None, none.clone(), ["retry", "retry", "in doubt"]),
        (503, None, none.clone(), ["retry", "retry", "in doubt"]),
        (503, Some("3"), none.clone(), ["retry"; 3]),
        (504, Some("3"), none, ["retry", "retry", "in doubt"]),
    ];
    for (status, retry_after, body, expected) in table {
        let mut outcomes = Vec::new();
        for message in [event(1), set(), increment()] {
            let mixpanel = Mixpanel::with_responses(vec![(status, retry_after, body.clone())]);
            outcomes.extend(mixpanel.deliver(vec![message]).await);
        }
        assert_eq!(
            kinds(&outcomes),
            expected,
            "{status} {retry_after:?} {body}"
        );
    }
}

#[actix_web::test]
async fn retry_after_stops_further_batches() {
    let mixpanel = Mixpanel::with_responses(vec![(429, Some("7"), json!({"error": "slow down"}))]);
    let outcomes = mixpanel.deliver((0..2_001).map(event).collect()).await;
    let reason = format!("{}/import: status 429: slow down", mixpanel.url);
    let expected = Some(SendError {
        kind: SendErrorKind::Retry,
        retry_after: Some(Duration::from_secs(7)),
        reason,
    });
    assert_eq!(outcomes, vec![expected; 2_001]);
    assert_eq!(mixpanel.requests().len(), 1);
}

#[actix_web::test]
async fn server_error_does_not_stop_next_batch() {
    let mixpanel = Mixpanel::with_responses(vec![(500, None, Value::Null)]);
    let outcomes = mixpanel.deliver((0..2_001).map(event).collect()).await;
    assert_eq!(kind(outcomes[0].as_ref()), "retry");
    assert_eq!(outcomes[2_000], None);
}

#[test]
fn invalid_api_host_is_named_in_error() {
    let config = HttpConfig {
        token: "t".into(),
        api_host: "api-eu.mixpanel.com".into(),
        credentials: Credentials::Token,
        timeout: Duration::from_secs(1),
    };
    let error = HttpClient::new(config).unwrap_err().to_string();
    assert!(error.contains("api-eu.mixpanel.com"), "{error}");
}

mod mixpanel;
mod raw;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::call::{Call, Method};
use crate::deliver::http::tests::mixpanel::Mixpanel;
use crate::deliver::http::{Credentials, HttpClient, HttpConfig, SendError};
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
    let delivery = HttpClient::new(HttpConfig {
        token: "t0ken".into(),
        api_host: url.into(),
        credentials,
        timeout,
    })
    .unwrap();
    let said: Vec<Outgoing> = messages
        .into_iter()
        .map(|message| Outgoing::Message(Box::new(message)))
        .collect();
    let mut lanes = Partitions::default();
    lanes.reset(said.len(), Endpoint::Events);
    let not_taken = delivery.deliver(said.iter(), &mut lanes).await;
    assert!(
        not_taken.is_sorted_by(|(a, _), (b, _)| a < b),
        "each once, in order"
    );
    let mut outcomes = vec![None; said.len()];
    for (index, why) in not_taken {
        outcomes[index] = Some(why);
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

/// What an outcome is, without its words.
fn kind(outcome: Option<&SendError>) -> &'static str {
    match outcome {
        None => "delivered",
        Some(SendError::Refused(_)) => "refused",
        Some(SendError::Retry { .. }) => "retry",
        Some(SendError::NotServed { .. }) => "not served",
        Some(SendError::InDoubt(_)) => "in doubt",
        Some(SendError::Unauthorized(_)) => "unauthorized",
    }
}

fn kinds(outcomes: &[Option<SendError>]) -> Vec<&'static str> {
    outcomes
        .iter()
        .map(|outcome| kind(outcome.as_ref()))
        .collect()
}

#[actix_web::test]
async fn each_endpoint_gets_its_messages_in_its_own_form() {
    let mixpanel = Mixpanel::answering(vec![]);
    let outcomes = mixpanel
        .deliver(vec![set(), event(1), group(), event(2)])
        .await;
    assert_eq!(outcomes, vec![None; 4]);

    let mut seen = mixpanel.seen().clone();
    seen.sort_by(|a, b| a.path.cmp(&b.path));
    let [engage, groups, import] = seen.as_slice() else {
        panic!("three requests, not {seen:?}");
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
async fn a_service_account_names_its_project() {
    let mixpanel = Mixpanel::answering(vec![]);
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
    let seen = mixpanel.seen().clone();
    assert_eq!(seen[0].path, "/mp/import?strict=1&project_id=7%268");
    // `me:s3cret` in base64.
    assert_eq!(seen[0].authorization.as_deref(), Some("Basic bWU6czNjcmV0"));
}

#[actix_web::test]
async fn each_refusal_names_the_url_that_answered() {
    for (status, message, path) in [
        (401, event(1), "import"),
        (404, set(), "engage"),
        (400, group(), "groups"),
        (500, increment(), "engage"),
    ] {
        let mixpanel = Mixpanel::answering(vec![(status, None, json!({"error": "no"}))]);
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
async fn nothing_is_sent_for_nothing() {
    let mixpanel = Mixpanel::answering(vec![]);
    assert_eq!(mixpanel.deliver(vec![]).await, []);
    assert_eq!(mixpanel.seen().len(), 0);
}

#[actix_web::test]
async fn of_a_batch_with_bad_events_the_others_are_delivered() {
    let mixpanel = Mixpanel::answering(vec![(
        400,
        None,
        json!({"code": 400, "error": "some data points in the request failed validation", "failed_records": [
            {"index": 1, "insert_id": "2", "field": "properties.time", "message": "too far in the future"},
            {"$insert_id": "4", "message": "bad"}
        ]}),
    )]);
    let outcomes = mixpanel.deliver((1..=5).map(event).collect()).await;
    let refused = |why: &str| {
        Some(SendError::Refused(format!(
            "{}/import: {why}",
            mixpanel.url
        )))
    };
    let expected = [
        None,
        refused("properties.time: too far in the future"),
        None,
        refused("bad"),
        None,
    ];
    assert_eq!(outcomes, expected);
}

#[actix_web::test]
async fn what_is_too_large_is_halved_and_what_cannot_be_halved_is_refused() {
    let mixpanel = Mixpanel::limited(2);
    let outcomes = mixpanel.deliver((0..7).map(event).collect()).await;
    assert_eq!(outcomes, vec![None; 7]);
    let seen = mixpanel.seen().clone();
    let sizes: Vec<usize> = seen
        .iter()
        .map(|seen| seen.body.as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [7, 3, 1, 2, 4, 2, 2]);

    let mixpanel = Mixpanel::limited(0);
    assert_eq!(kinds(&mixpanel.deliver(vec![event(1)]).await), ["refused"]);
}

#[actix_web::test]
async fn what_an_answer_means_depends_on_whether_the_call_may_be_repeated() {
    let none = Value::Null;
    let page = json!("<html>Welcome</html>");
    let refusal = json!({"status": 0, "error": "data, missing or empty"});
    let table = [
        // status, Retry-After, body: an event, a set, an increment
        (
            200,
            None,
            json!({"code": 200, "status": "OK"}),
            ["delivered"; 3],
        ),
        (200, None, json!(1), ["delivered"; 3]),
        (200, None, json!(""), ["delivered"; 3]),
        (200, None, refusal, ["delivered", "refused", "refused"]),
        (200, None, json!(0), ["delivered", "refused", "refused"]),
        (200, None, page, ["not served", "not served", "in doubt"]),
        (301, None, none.clone(), ["not served"; 3]),
        (302, None, none.clone(), ["not served"; 3]),
        (303, None, none.clone(), ["not served"; 3]),
        (307, None, none.clone(), ["not served"; 3]),
        (308, None, none.clone(), ["not served"; 3]),
        (400, None, json!({"error": "no JSON"}), ["refused"; 3]),
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
        (422, None, none.clone(), ["refused"; 3]),
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
            let mixpanel = Mixpanel::answering(vec![(status, retry_after, body.clone())]);
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
async fn mixpanel_may_say_when_to_come_back_and_nothing_more_is_sent_before() {
    let mixpanel = Mixpanel::answering(vec![(429, Some("7"), json!({"error": "slow down"}))]);
    let outcomes = mixpanel.deliver((0..2_001).map(event).collect()).await;
    let reason = format!("{}/import: status 429: slow down", mixpanel.url);
    let expected = Some(SendError::Retry {
        after: Some(Duration::from_secs(7)),
        reason,
    });
    assert_eq!(outcomes, vec![expected; 2_001]);
    assert_eq!(mixpanel.seen().len(), 1);
}

#[actix_web::test]
async fn after_an_error_of_mixpanels_the_next_batch_is_tried_all_the_same() {
    let mixpanel = Mixpanel::answering(vec![(500, None, Value::Null)]);
    let outcomes = mixpanel.deliver((0..2_001).map(event).collect()).await;
    assert_eq!(kind(outcomes[0].as_ref()), "retry");
    assert_eq!(outcomes[2_000], None);
}

#[actix_web::test]
async fn what_was_never_sent_can_be_sent_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let outcomes = deliver(&url, Duration::from_secs(30), vec![event(1), increment()]).await;
    assert_eq!(kinds(&outcomes), ["retry"; 2]);
    for (outcome, path) in outcomes.into_iter().zip(["import", "engage"]) {
        let Some(SendError::Retry { reason, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            reason.starts_with(&format!("{url}/{path}: "))
                && reason.to_lowercase().contains("refused"),
            "{reason}"
        );
    }
}

#[actix_web::test]
async fn what_was_sent_and_never_answered_is_in_doubt_if_it_counts_twice() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Reads some of each request, then hangs up.
    let server = actix_web::rt::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
        }
    });
    let messages = vec![event(1), set(), increment(), group()];
    let outcomes = deliver(&url, Duration::from_secs(30), messages).await;
    assert_eq!(kinds(&outcomes), ["retry", "retry", "in doubt", "retry"]);
    server.abort();
}

#[actix_web::test]
async fn an_answer_that_takes_too_long_is_not_waited_for() {
    // The kernel accepts connections for it; nobody ever answers.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let messages = vec![event(1), increment()];
    let outcomes = deliver(&url, Duration::from_millis(600), messages).await;
    assert_eq!(kinds(&outcomes), ["retry", "in doubt"]);
}

#[actix_web::test]
async fn http_2_is_offered() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    // The first record of a TLS handshake is in the clear.
    let hello = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        stream.read_exact(&mut hello).await.unwrap();
        hello
    };
    let (hello, _) = tokio::join!(
        hello,
        deliver(&url, Duration::from_secs(30), vec![event(1)])
    );
    let offers = |protocol: &[u8]| hello.windows(protocol.len()).any(|some| some == protocol);
    assert!(offers(b"\x02h2\x08http/1.1"), "in the order of preference");
}

#[test]
fn a_host_that_is_none_is_told_when_it_is_given() {
    let config = HttpConfig {
        token: "t".into(),
        api_host: "api-eu.mixpanel.com".into(),
        credentials: Credentials::Token,
        timeout: Duration::from_secs(1),
    };
    let error = HttpClient::new(config).unwrap_err().to_string();
    assert!(error.contains("api-eu.mixpanel.com"), "{error}");
}

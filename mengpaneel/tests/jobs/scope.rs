//! Jobs in a scope: output, delivery, and failures.

use std::future::{pending, ready};
use std::net::TcpListener;
use std::time::Duration;

use futures_util::FutureExt as _;
use mengpaneel::outbox::Memory;
use mengpaneel::{Builder, Call, Mengpaneel, Reason};
use serde_json::json;
use stand_in::StandIn;

use super::{TIMEOUT, build, failures_of, pairs, received, renew};

#[tokio::test]
async fn scope_returns_the_output_while_mixpanel_is_down() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    stand_in.fail_with(503);
    let output: Result<u8, &str> = mengpaneel
        .scope(async {
            mengpaneel::track("Renew", ());
            Err("the card has expired")
        })
        .await;
    assert_eq!(output, Err("the card has expired"));
    stand_in.recover();
    mengpaneel.flush(TIMEOUT).await.unwrap();
    assert_eq!(received(&stand_in), pairs(&[("", "Renew")]));
    assert_eq!(failures_of(&failures), []);
}

#[tokio::test]
async fn scope_delivers_directly_if_no_outbox_accepts_calls() {
    let full = |builder: Builder| builder.outbox(Memory::default().max_records(0));
    for without in [Builder::no_outbox as fn(Builder) -> Builder, full] {
        let stand_in = StandIn::start();
        let (mengpaneel, failures) = build(&stand_in, without);
        assert_eq!(mengpaneel.scope(renew(6)).await, 6);
        assert_eq!(received(&stand_in), pairs(&[("7", "Renew")]));
        assert_eq!(failures_of(&failures), []);
        stand_in.fail_with(503);
        assert_eq!(mengpaneel.scope(renew(7)).await, 7, "the job does not fail");
        let failures = failures_of(&failures);
        assert!(
            matches!(&failures[..], [(Reason::Abandoned(_), calls)] if calls == &["Renew"]),
            "{failures:?}"
        );
    }
}

#[tokio::test]
async fn scope_now_delivers_before_it_returns() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let (output, delivered) = mengpaneel.scope_now(renew(6)).await;
    assert_eq!((output, delivered), (6, Ok(())));
    assert_eq!(received(&stand_in), pairs(&[("7", "Renew")]));
    stand_in.fail_with(503);
    let (output, delivered) = mengpaneel.scope_now(renew(7)).await;
    assert_eq!(output, 7);
    assert_eq!(
        delivered.unwrap_err().failures()[0].calls[0].str_arg(0),
        Some("Renew")
    );
    assert_eq!(
        failures_of(&failures),
        [],
        "the caller gets the failures in the result"
    );
}

#[tokio::test]
async fn scope_now_reports_to_on_error_if_it_is_cancelled() {
    // Accepts connections, and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (mengpaneel, failures) = build(&StandIn::start(), |builder| {
        builder.api_host(url).timeout(Duration::from_secs(1))
    });
    let job = mengpaneel.scope_now(async {
        mengpaneel::setup(|mixpanel| mixpanel.identify(1));
        mengpaneel::people().increment("Renewals", 1);
    });
    assert_eq!(job.now_or_never(), None);
    mengpaneel.shutdown(TIMEOUT).await.unwrap();
    assert_eq!(failures_of(&failures).len(), 1);
}

#[tokio::test]
async fn panicking_and_cancelled_jobs_enqueue_their_calls() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let record = || mengpaneel::track("Begin", ());
    let panicking = mengpaneel.clone();
    let panicking = tokio::spawn(async move {
        let job = async {
            mengpaneel::track("Begin", ());
            panic!("on purpose");
        };
        panicking.scope(job).await
    });
    assert!(panicking.await.unwrap_err().is_panic());
    let cancelled = async {
        record();
        pending::<()>().await;
    };
    assert_eq!(mengpaneel.scope(cancelled).now_or_never(), None);
    let cancelled_now = async {
        record();
        pending::<()>().await;
    };
    assert_eq!(mengpaneel.scope_now(cancelled_now).now_or_never(), None);
    mengpaneel.flush(TIMEOUT).await.unwrap();
    assert_eq!(stand_in.counted_as("Begin").len(), 3);
    assert_eq!(failures_of(&failures), []);
}

#[tokio::test]
async fn jobs_without_a_token_run_and_record_nothing() {
    let mengpaneel = Mengpaneel::builder("").build().unwrap();
    assert_eq!(mengpaneel.scope(renew(1)).await, 1);
    assert_eq!(mengpaneel.scope_now(renew(2)).await, (2, Ok(())));
    let user = mengpaneel.as_user(42);
    user.track("Renew", ());
    user.people().set(json!({"Plan": "Pro"}));
    assert!(!user.is_recording());
    mengpaneel.shutdown(TIMEOUT).await.unwrap();
}

#[tokio::test]
async fn testing_records_calls_of_jobs_with_and_without_a_token() {
    let stand_in = StandIn::start();
    for mengpaneel in [
        build(&stand_in, |builder| builder).0,
        Mengpaneel::builder("").build().unwrap(),
    ] {
        let run = async {
            let number = mengpaneel.scope(renew(6)).await;
            let (ada, bob) = (mengpaneel.as_user(1), mengpaneel.as_user(2));
            ada.track("A", ());
            bob.track("B", ());
            ada.people().increment("C", 1);
            ada.identify(3);
            ada.track("D", ());
            number
        };
        let (number, calls) = mengpaneel::testing::record_async(run).await;
        assert_eq!(number, 6);
        let describe =
            |call: &Call| format!("{} {}", call.method(), call.str_arg(0).unwrap_or("-"));
        let expected = [
            "identify 7",
            "track Renew",
            "identify 1",
            "track A",
            "identify 2",
            "track B",
        ];
        let more = ["identify 1", "people.increment -", "identify 3", "track D"];
        assert_eq!(
            calls.iter().map(describe).collect::<Vec<_>>(),
            [&expected[..], &more[..]].concat()
        );
    }
}

#[test]
fn futures_and_errors_of_jobs_are_send() {
    fn is_send<T: Send>(_: &T) {}
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    let mengpaneel = Mengpaneel::builder("").build().unwrap();
    is_send(&mengpaneel.scope(ready(())));
    is_send(&mengpaneel.scope_now(ready(())));
    is_error::<mengpaneel::UndeliveredError>();
    is_error::<mengpaneel::Failure>();
    is_error::<mengpaneel::BuildError>();
}

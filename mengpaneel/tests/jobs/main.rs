//! Jobs: their output, and where what they record goes.
#![allow(missing_docs, reason = "tests")]

mod identities;

use std::collections::BTreeSet;
use std::future::{pending, ready};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use mengpaneel::outbox::Memory;
use mengpaneel::{Builder, Call, Mengpaneel, Reason};
use serde_json::{Value, json};
use stand_in::{Endpoint, StandIn};

const SOON: Duration = Duration::from_secs(30);
const JOBS: usize = 10_000;

type Failures = Arc<Mutex<Vec<(Reason, Vec<String>)>>>;

/// A Mengpaneel that delivers to a stand-in, and what its `on_error` is called with.
fn build(stand_in: &StandIn, build: impl FnOnce(Builder) -> Builder) -> (Mengpaneel, Failures) {
    let failures = Failures::default();
    let hook = Arc::clone(&failures);
    let builder =
        build(Mengpaneel::builder("demo").api_host(stand_in.url())).on_error(move |failure| {
            let texts = failure
                .calls
                .iter()
                .map(|call| call.str_arg(0).unwrap_or_default().to_owned())
                .collect();
            hook.lock().unwrap().push((failure.reason.clone(), texts));
        });
    (builder.build().unwrap(), failures)
}

fn told(failures: &Failures) -> Vec<(Reason, Vec<String>)> {
    failures.lock().unwrap().clone()
}

fn imports(stand_in: &StandIn) -> usize {
    stand_in
        .requests()
        .iter()
        .filter(|request| request.endpoint == Endpoint::Import)
        .count()
}

/// Users and names of the events that arrived, as Mixpanel counts them.
fn arrived(stand_in: &StandIn) -> Vec<(String, String)> {
    let events = stand_in.counted();
    events
        .iter()
        .map(|event| {
            (
                event.distinct_id().unwrap_or_default().to_owned(),
                event.event().to_owned(),
            )
        })
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(user, event)| ((*user).to_owned(), (*event).to_owned()))
        .collect()
}

#[expect(clippy::unused_async, reason = "a job")]
async fn renew(number: usize) -> usize {
    mengpaneel::setup(|mixpanel| mixpanel.identify(number + 1));
    mengpaneel::track("Renew", json!({"Number": number}));
    number
}

#[tokio::test]
async fn scope_returns_the_output_while_mixpanel_is_away() {
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
    mengpaneel.flush(SOON).await.unwrap();
    assert_eq!(arrived(&stand_in), pairs(&[("", "Renew")]));
    assert_eq!(told(&failures), []);
}

#[tokio::test]
async fn many_jobs_leave_in_a_handful_of_requests() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    for number in 0..JOBS {
        assert_eq!(mengpaneel.scope(renew(number)).await, number);
    }
    mengpaneel.flush(SOON).await.unwrap();
    assert_eq!(stand_in.counted().len(), JOBS);
    eprintln!("{JOBS} jobs made {} requests", imports(&stand_in));
    assert!(imports(&stand_in) <= JOBS / 100, "{}", imports(&stand_in));
    assert_eq!(told(&failures), []);
}

#[tokio::test]
async fn many_calls_of_users_leave_in_a_handful_of_requests() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    for number in 0..JOBS {
        mengpaneel.as_user(number + 1).track("Renew", ());
    }
    mengpaneel.flush(SOON).await.unwrap();
    let users: BTreeSet<String> = arrived(&stand_in)
        .into_iter()
        .map(|(user, _)| user)
        .collect();
    assert_eq!((users.len(), stand_in.counted().len()), (JOBS, JOBS));
    eprintln!("{JOBS} calls made {} requests", imports(&stand_in));
    assert!(imports(&stand_in) <= JOBS / 100, "{}", imports(&stand_in));
    assert_eq!(told(&failures), []);
}

#[cfg(feature = "file")]
#[tokio::test]
async fn jobs_of_a_host_without_mixpanel_leave_by_the_worker() {
    use futures_util::future::join_all;
    use mengpaneel::outbox::{File, Locked};

    let path = std::env::temp_dir().join(format!("mengpaneel-jobs-{}", uuid::Uuid::new_v4()));
    let stand_in = StandIn::start();
    let outbox = || File::at(&path).when_locked(Locked::Wait(SOON));
    // Nothing listens there.
    let (mengpaneel, failures) = build(&stand_in, |builder| {
        builder
            .api_host("http://127.0.0.1:9")
            .outbox(outbox())
            .concurrency(0)
    });
    // At once, so that they share the file's commits.
    let jobs = (0..JOBS).map(|number| mengpaneel.scope(renew(number)));
    assert_eq!(join_all(jobs).await.len(), JOBS);
    let user = mengpaneel.as_user("backfill");
    user.track("Import", json!({"time": 1_767_225_600_000_u64}));
    user.people().increment("Imports", 2);
    // An append that waits for the disk is in hand until it is there.
    let is_written = async {
        while mengpaneel.health().await.waiting < JOBS + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, is_written).await.unwrap();
    assert_eq!((told(&failures), stand_in.requests().len()), (vec![], 0));
    drop((mengpaneel, user));

    let (worker, failures) = build(&stand_in, |builder| builder.outbox(outbox()));
    worker.flush(SOON).await.unwrap();
    assert_eq!(stand_in.counted().len(), JOBS + 1);
    assert!(imports(&stand_in) <= 10, "{}", imports(&stand_in));
    let import = stand_in.counted_as("Import");
    assert_eq!(
        (import[0].distinct_id(), import[0].property("time")),
        (Some("backfill"), &json!(1_767_225_600_000_u64))
    );
    assert_eq!(stand_in.profile("backfill").unwrap()["Imports"], json!(2));
    assert_eq!(told(&failures), []);
    drop(worker);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn scope_delivers_at_once_where_no_outbox_takes_the_calls() {
    let full = |builder: Builder| builder.outbox(Memory::default().max_records(0));
    for without in [Builder::no_outbox as fn(Builder) -> Builder, full] {
        let stand_in = StandIn::start();
        let (mengpaneel, failures) = build(&stand_in, without);
        assert_eq!(mengpaneel.scope(renew(6)).await, 6);
        assert_eq!(arrived(&stand_in), pairs(&[("7", "Renew")]));
        assert_eq!(told(&failures), []);
        stand_in.fail_with(503);
        assert_eq!(mengpaneel.scope(renew(7)).await, 7, "the job does not fail");
        let told = told(&failures);
        assert!(
            matches!(&told[..], [(Reason::GivenUp(_), calls)] if calls == &["Renew"]),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn scope_now_delivers_before_it_returns() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let (output, delivered) = mengpaneel.scope_now(renew(6)).await;
    assert_eq!((output, delivered), (6, Ok(())));
    assert_eq!(arrived(&stand_in), pairs(&[("7", "Renew")]));
    stand_in.fail_with(503);
    let (output, delivered) = mengpaneel.scope_now(renew(7)).await;
    assert_eq!(output, 7);
    assert_eq!(
        delivered.unwrap_err().failures()[0].calls[0].str_arg(0),
        Some("Renew")
    );
    assert_eq!(told(&failures), [], "the result tells the caller");
}

#[tokio::test]
async fn scope_now_reports_to_on_error_when_nobody_waits() {
    // Takes requests, and never answers.
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
    mengpaneel.shutdown(SOON).await.unwrap();
    assert_eq!(told(&failures).len(), 1);
}

#[tokio::test]
async fn jobs_that_panic_or_are_cancelled_hand_over_their_calls() {
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
    mengpaneel.flush(SOON).await.unwrap();
    assert_eq!(stand_in.counted_as("Begin").len(), 3);
    assert_eq!(told(&failures), []);
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
    mengpaneel.shutdown(SOON).await.unwrap();
}

#[tokio::test]
async fn a_handle_of_a_user_records_events_profiles_and_groups() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let user = mengpaneel.as_user(42);
    assert!(user.is_recording());
    user.track("First", json!({"time": 1_767_225_600_000_u64}));
    user.people().set(json!({"Plan": "Pro"}));
    user.people().increment("Renewals", 2);
    user.get_group("company", "acme")
        .set(json!({"Plan": "Team"}));
    user.track("Second", ());
    mengpaneel.flush(SOON).await.unwrap();
    assert_eq!(
        arrived(&stand_in),
        pairs(&[("42", "First"), ("42", "Second")])
    );
    let first = &stand_in.counted()[0];
    assert_eq!(first.property("time"), &json!(1_767_225_600_000_u64));
    assert_eq!(
        (first.property("$user_id"), first.property("ip")),
        (&json!("42"), &Value::Null)
    );
    let profile = stand_in.profile("42").unwrap();
    assert_eq!(
        (&profile["Plan"], &profile["Renewals"]),
        (&json!("Pro"), &json!(2))
    );
    assert_eq!(
        stand_in
            .requests()
            .iter()
            .filter(|request| request.endpoint == Endpoint::Groups)
            .count(),
        1
    );
    assert_eq!(told(&failures), []);
}

#[tokio::test]
async fn calls_of_a_handle_depend_on_what_it_registered() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let user = mengpaneel.as_user(42);
    user.register(json!({"Source": "CLI"}));
    user.set_group("company", "acme");
    user.time_event("Import");
    user.track("Import", ());
    user.track("Import", ());
    for number in 0..1_000 {
        user.register(json!({"Row": number}));
    }
    user.track("Row", ());
    user.identify(43);
    user.track("Other", ());
    user.reset();
    user.track("Nobody", ());
    mengpaneel.flush(SOON).await.unwrap();
    let of = |event: &str| stand_in.counted_as(event);
    let imports = of("Import");
    assert_eq!(
        (
            imports[0].property("Source"),
            imports[0].property("company")
        ),
        (&json!("CLI"), &json!(["acme"]))
    );
    assert!(
        imports[0].property("$duration").is_number() && imports[1].property("$duration").is_null()
    );
    assert_eq!(of("Row")[0].property("Row"), &json!(999));
    assert_eq!(
        (
            of("Other")[0].distinct_id(),
            of("Other")[0].property("Source")
        ),
        (Some("43"), &json!("CLI"))
    );
    assert_eq!(
        (
            of("Nobody")[0].distinct_id(),
            of("Nobody")[0].property("Source")
        ),
        (Some(""), &Value::Null)
    );
    assert_eq!(stand_in.profile("42").unwrap()["company"], json!(["acme"]));
    assert_eq!(told(&failures), []);
}

#[tokio::test]
async fn a_handle_of_nobody_is_reported_and_changes_no_profile() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let user = mengpaneel.as_user("undefined");
    user.people().set(json!({"Plan": "Pro"}));
    user.track("Renew", ());
    mengpaneel.flush(SOON).await.unwrap();
    let told = told(&failures);
    assert!(
        matches!(&told[..], [(Reason::PlaceholderId { what, .. }, _), (Reason::UnknownUser(_), _)]
            if what.contains("tests/jobs/main.rs:")),
        "{told:?}"
    );
    assert_eq!(arrived(&stand_in), pairs(&[("", "Renew")]));
    assert!(stand_in.profiles().is_empty());
}

#[tokio::test]
async fn an_inner_job_or_user_is_independent_of_the_outer_job() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let inner = mengpaneel.clone();
    mengpaneel
        .scope(async move {
            mengpaneel::setup(|mixpanel| mixpanel.identify(1));
            inner.scope(async { mengpaneel::track("Inner", ()) }).await;
            inner.as_user(2).track("User", ());
            inner
                .as_user(3)
                .scope(async { mengpaneel::track("Scope Of User", ()) })
                .await;
            mengpaneel::track("Outer", ());
        })
        .await;
    mengpaneel.flush(SOON).await.unwrap();
    let expected = [
        ("", "Inner"),
        ("2", "User"),
        ("3", "Scope Of User"),
        ("1", "Outer"),
    ];
    let mut arrived = arrived(&stand_in);
    arrived.sort();
    let mut expected = pairs(&expected);
    expected.sort();
    assert_eq!(arrived, expected);
    assert_eq!(told(&failures), []);
}

#[tokio::test]
async fn late_calls_of_a_job_belong_to_whom_it_identified_last() {
    let stand_in = StandIn::start();
    let (mengpaneel, failures) = build(&stand_in, |builder| builder);
    let job = async {
        mengpaneel::setup(|mixpanel| mixpanel.identify(1));
        mengpaneel::track("First", ());
        mengpaneel::identify(2);
        mengpaneel::register(json!({"Source": "job"}));
        mengpaneel::current()
    };
    let mixpanel = mengpaneel.scope(job).await;
    mixpanel.track("Late", ());
    mengpaneel.flush(SOON).await.unwrap();
    let late = &stand_in.counted_as("Late")[0];
    assert_eq!(
        (late.distinct_id(), late.property("Source")),
        (Some("2"), &json!("job"))
    );
    assert_eq!(told(&failures), []);
}

#[tokio::test]
async fn tests_see_what_jobs_record_with_or_without_a_token() {
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
        let said = |call: &Call| format!("{} {}", call.method(), call.str_arg(0).unwrap_or("-"));
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
            calls.iter().map(said).collect::<Vec<_>>(),
            [&expected[..], &more[..]].concat()
        );
    }
}

#[test]
fn futures_and_errors_of_jobs_can_be_sent_to_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    let mengpaneel = Mengpaneel::builder("").build().unwrap();
    is_send(&mengpaneel.scope(ready(())));
    is_send(&mengpaneel.scope_now(ready(())));
    is_error::<mengpaneel::UndeliveredError>();
    is_error::<mengpaneel::Failure>();
    is_error::<mengpaneel::BuildError>();
}

//! A Redis that is there and refuses: one log line when that begins, one when it is over. Alone in
//! its binary: it listens to what all threads log.

use std::fmt::Debug;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mengpaneel::outbox::{self, Outbox};
use mengpaneel::{Call, Calls, Method, Parcel, Visitor};
use mengpaneel_tests::{TIMEOUT, TestRedis};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// The lines of mengpaneel's that a person reads: `INFO` and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() == "mengpaneel" && *event.metadata().level() <= Level::INFO {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            self.0.lock().unwrap().push(line.0);
        }
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{} {value:?}", self.0);
        }
    }
}

/// Runs a command by `redis-cli`, as somebody who operates the server does.
fn run(redis: &TestRedis, words: &[&str]) {
    let socket = redis.url().replace("redis+unix://", "");
    let mut ran = Command::new("redis-cli");
    ran.args([
        "-s",
        &socket,
        "--user",
        "operator",
        "--pass",
        "o",
        "--no-auth-warning",
    ]);
    let output = ran
        .args(words)
        .output()
        .expect("redis-cli, which this test needs, cannot be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && !said.contains("ERR"),
        "{words:?}: {said}"
    );
}

fn event() -> Parcel {
    let call = Call::new(Method::Track, vec!["A".into()]);
    Parcel::new(
        Visitor::default(),
        Calls {
            tracking: vec![call],
            ..Calls::default()
        },
    )
}

async fn wait_until_taken(outbox: &dyn Outbox) {
    let until = Instant::now() + TIMEOUT;
    while outbox.append(event()).await.is_err() {
        assert!(Instant::now() < until, "it takes nothing");
        tokio::task::yield_now().await;
    }
}

const REFUSALS: [(&str, &[&str], &[&str]); 5] = [
    (
        "OOM",
        &["CONFIG", "SET", "maxmemory", "1"],
        &["CONFIG", "SET", "maxmemory", "0"],
    ),
    (
        "no permissions",
        &["ACL", "SETUSER", "default", "-lpush", "-evalsha", "-eval"],
        &["ACL", "SETUSER", "default", "+@all"],
    ),
    (
        "WRONGTYPE",
        &["MSET", "queue:default", "x", "{mengpaneel}:calls", "x"],
        &["DEL", "queue:default", "{mengpaneel}:calls"],
    ),
    (
        "NOREPLICAS",
        &["CONFIG", "SET", "min-replicas-to-write", "1"],
        &["CONFIG", "SET", "min-replicas-to-write", "0"],
    ),
    (
        "read only",
        &["REPLICAOF", "127.0.0.1", "1"],
        &["REPLICAOF", "NO", "ONE"],
    ),
];

#[tokio::test]
async fn a_refusal_is_logged_once_and_its_end_once() {
    let log = Log::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone()))
        .unwrap();
    let redis = TestRedis::start();
    let socket = redis.url().replace("redis+unix://", "");
    let mut made = Command::new("redis-cli");
    made.args([
        "-s", &socket, "ACL", "SETUSER", "operator", "on", ">o", "~*", "&*", "+@all",
    ]);
    assert!(
        made.status()
            .expect("redis-cli, which this test needs, cannot be started")
            .success()
    );
    let outboxes: [Box<dyn Outbox>; 2] = [
        Box::new(outbox::Sidekiq::at(redis.url())),
        Box::new(outbox::Redis::at(redis.url())),
    ];
    for outbox in &outboxes {
        outbox.open().unwrap();
        wait_until_taken(&**outbox).await;
        for (code, refuse, allow) in REFUSALS {
            run(&redis, &["DEL", "queue:default", "{mengpaneel}:calls"]);
            run(&redis, refuse);
            let (mut slowest, until) = (
                Duration::ZERO,
                Instant::now() + Duration::from_millis(1_200),
            );
            // Long enough for a second and a third question.
            while Instant::now() < until {
                let asked = Instant::now();
                outbox.append(event()).await.expect_err(code);
                slowest = slowest.max(asked.elapsed());
                tokio::task::yield_now().await;
            }
            run(&redis, allow);
            wait_until_taken(&**outbox).await;
            let lines = std::mem::take(&mut *log.0.lock().unwrap());
            assert_eq!(lines.len(), 2, "{code}: {lines:#?}");
            assert!(
                lines[0].starts_with("ERROR Redis ") && lines[0].contains(code),
                "{code}: {lines:#?}"
            );
            assert!(lines[1].starts_with("INFO Redis "), "{code}: {lines:#?}");
            assert!(
                slowest < Duration::from_millis(900),
                "{code}: nobody waits: {slowest:?}"
            );
        }
    }
}

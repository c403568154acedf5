//! Redis that refuses commands: one log line at the beginning, one at the end.
//!
//! The test has a binary of its own, because it captures the log of all threads.

use std::fmt::{Debug, Write as _};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mengpaneel::outbox::{self, Outbox, Record};
use mengpaneel::{Call, Calls, Envelope, Method, Visitor};
use mengpaneel_tests::{TIMEOUT, TestRedis};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Captured messages of Mengpaneel, of level `INFO` and above.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() == "mengpaneel" && *event.metadata().level() <= Level::INFO {
            let mut line = Line::default();
            event.record(&mut line);
            let Line { message, fields } = line;
            let level = event.metadata().level();
            self.0
                .lock()
                .unwrap()
                .push(format!("{level} {message}{fields}"));
        }
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            write!(self.fields, " {field}={value:?}").unwrap();
        }
    }
}

/// Runs a command with `redis-cli`, as an operator of the server does.
fn run(redis: &TestRedis, words: &[&str]) {
    let socket = redis.url().replace("redis+unix://", "");
    let mut command = Command::new("redis-cli");
    command.args([
        "-s",
        &socket,
        "--user",
        "operator",
        "--pass",
        "o",
        "--no-auth-warning",
    ]);
    let output = command
        .args(words)
        .output()
        .expect("redis-cli, which this test needs, cannot be started");
    let output_text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && !output_text.contains("ERR"),
        "{words:?}: {output_text}"
    );
}

fn event() -> Record {
    let calls = Calls {
        tracking: vec![Call::new(Method::Track, vec!["A".into()])],
        ..Calls::default()
    };
    Record::new(&Envelope::new(Visitor::default(), calls))
}

async fn wait_until_accepted(outbox: &dyn Outbox) {
    let until = Instant::now() + TIMEOUT;
    while outbox.append(event()).await.is_err() {
        assert!(Instant::now() < until, "the outbox accepts nothing");
        tokio::task::yield_now().await;
    }
}

/// Error code, and the commands that cause and end it.
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
async fn refusal_and_recovery_are_each_logged_once() {
    let log = Log::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone()))
        .unwrap();
    let redis = TestRedis::start();
    let socket = redis.url().replace("redis+unix://", "");
    let mut create_user = Command::new("redis-cli");
    create_user.args([
        "-s", &socket, "ACL", "SETUSER", "operator", "on", ">o", "~*", "&*", "+@all",
    ]);
    assert!(
        create_user
            .status()
            .expect("redis-cli, which this test needs, cannot be started")
            .success()
    );
    let outboxes: [Arc<dyn Outbox>; 2] = [
        Arc::new(outbox::Sidekiq::new(redis.url())),
        Arc::new(outbox::Redis::new(redis.url())),
    ];
    for outbox in &outboxes {
        outbox.open().unwrap();
        wait_until_accepted(&**outbox).await;
        for (code, refuse, allow) in REFUSALS {
            run(&redis, &["DEL", "queue:default", "{mengpaneel}:calls"]);
            run(&redis, refuse);
            let (mut slowest, until) = (
                Duration::ZERO,
                Instant::now() + Duration::from_millis(1_200),
            );
            // Long enough for a second and a third attempt.
            while Instant::now() < until {
                let started = Instant::now();
                outbox.append(event()).await.expect_err(code);
                slowest = slowest.max(started.elapsed());
                tokio::task::yield_now().await;
            }
            run(&redis, allow);
            wait_until_accepted(&**outbox).await;
            let lines = std::mem::take(&mut *log.0.lock().unwrap());
            assert_eq!(lines.len(), 2, "{code}: {lines:#?}");
            assert!(
                lines[0].starts_with("ERROR Redis ") && lines[0].contains(code),
                "{code}: {lines:#?}"
            );
            assert!(lines[1].starts_with("INFO Redis "), "{code}: {lines:#?}");
            assert!(
                slowest < Duration::from_millis(900),
                "{code}: an append waited: {slowest:?}"
            );
        }
    }
}

//! Outage of Redis under a running application.
//!
//! The test has a binary of its own, because it captures the log of all threads.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mengpaneel::outbox;
use mengpaneel_tests::{TestApp, TestClient, TestRedis, event_names, event_route};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Captured log of Mengpaneel.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Logged>>);

#[derive(Default)]
struct Logged {
    /// Messages of level `INFO` and above.
    lines: Vec<String>,
    /// Strategy of the last flush.
    strategy: String,
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let (target, level) = (event.metadata().target(), *event.metadata().level());
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut logged = self.0.lock().unwrap();
        if target == "mengpaneel::flush" && fields.message == "flushed" {
            logged.strategy = fields.strategy;
        } else if target == "mengpaneel" && level <= Level::INFO {
            logged.lines.push(format!("{level} {}", fields.message));
        }
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    strategy: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "strategy" {
            value.clone_into(&mut self.strategy);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}

/// Sequence of requests, each with an event of its own.
struct Load {
    client: TestClient,
    log: Log,
    events: Vec<String>,
    slowest: Duration,
}

impl Load {
    /// Sends a request, and returns the strategy by which its event left.
    async fn send(&mut self) -> String {
        let name = format!("event {:05}", self.events.len());
        let before = Instant::now();
        let page = self.client.get(&format!("/event/{name}")).send().await;
        assert_eq!(page.status, 200);
        self.slowest = self.slowest.max(before.elapsed());
        self.events.push(name);
        std::mem::take(&mut self.log.0.lock().unwrap().strategy)
    }
}

/// `REDIS_OUTAGE_SECONDS=60` makes the outage last one minute instead of two seconds.
#[tokio::test]
async fn redis_outage_neither_blocks_pages_nor_loses_events() {
    let log = Log::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone()))
        .unwrap();
    let outage =
        std::env::var("REDIS_OUTAGE_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    let mut redis = TestRedis::start();
    // Records that Redis leased in a lost response return after this time.
    let outbox = outbox::Redis::new(redis.url()).claim_after(Duration::from_secs(5));
    let app = TestApp::build(event_route, |builder| builder.outbox(outbox));
    let client = TestClient::machine(&app.url);
    let mut load = Load {
        client,
        log: log.clone(),
        events: Vec::new(),
        slowest: Duration::ZERO,
    };

    for _ in 0..100 {
        assert_eq!(load.send().await, "async_server_side");
    }
    redis.kill();
    let killed = Instant::now();
    let before = load.events.len();
    while killed.elapsed() < Duration::from_secs(outage) {
        assert_eq!(load.send().await, "server_side");
    }
    let during_outage = load.events.len() - before;
    redis.restart();
    while load.send().await != "async_server_side" {}
    for _ in 0..100 {
        assert_eq!(load.send().await, "async_server_side");
    }

    let events = app.flush_and_collect().await;
    let mut arrived = event_names(&events);
    arrived.sort_unstable();
    assert_eq!(arrived, load.events, "each event once");
    let lines = std::mem::take(&mut log.0.lock().unwrap().lines);
    println!(
        "{during_outage} requests during the outage, slowest response {:?}, log: {lines:#?}",
        load.slowest
    );
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert_eq!(
        lines[0],
        "ERROR Redis cannot be reached; calls go to the next strategy until Redis is back"
    );
    assert_eq!(lines[1], "INFO Redis is back");
    assert!(
        load.slowest < Duration::from_secs(5),
        "a request waited for Redis: {:?}",
        load.slowest
    );
}

//! Redis goes away and comes back under an application that goes on. Alone in its binary: it
//! listens to what all threads log.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, get, web};
use mengpaneel::outbox;
use mengpaneel_tests::{TestApp, TestClient, TestRedis, event_names};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

#[get("/event/{name}")]
async fn happened(name: web::Path<String>) -> HttpResponse {
    mengpaneel::track(name.as_str(), ());
    HttpResponse::Ok().finish()
}

fn routes(config: &mut web::ServiceConfig) {
    config.service(happened);
}

/// What mengpaneel logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Logged>>);

#[derive(Default)]
struct Logged {
    /// What a person reads: `INFO` and above.
    lines: Vec<String>,
    /// The strategy by which the latest calls left.
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

/// Somebody who asks, one request after the other, and what they asked for.
struct Asking {
    visitor: TestClient,
    log: Log,
    asked: Vec<String>,
    slowest: Duration,
}

impl Asking {
    /// Gives by which strategy the event left.
    async fn ask(&mut self) -> String {
        let name = format!("event {:05}", self.asked.len());
        let before = Instant::now();
        let page = self.visitor.get(&format!("/event/{name}")).send().await;
        assert_eq!(page.status, 200);
        self.slowest = self.slowest.max(before.elapsed());
        self.asked.push(name);
        std::mem::take(&mut self.log.0.lock().unwrap().strategy)
    }
}

/// `REDIS_AWAY_SECONDS=60` has Redis stay away for a minute.
#[tokio::test]
async fn while_redis_is_away_pages_answer_the_server_sends_and_nothing_is_lost_or_doubled() {
    let log = Log::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone()))
        .unwrap();
    let absence = std::env::var("REDIS_AWAY_SECONDS").map_or(2, |seconds| seconds.parse().unwrap());
    let mut redis = TestRedis::start();
    // What Redis had handed out when it went, in an answer that never came, comes back after that.
    let outbox = outbox::Redis::at(redis.url()).claim_after(Duration::from_secs(5));
    let app = TestApp::build(routes, |builder| builder.outbox(outbox));
    let visitor = TestClient::machine(&app.url);
    let mut asking = Asking {
        visitor,
        log: log.clone(),
        asked: Vec::new(),
        slowest: Duration::ZERO,
    };

    for _ in 0..100 {
        assert_eq!(asking.ask().await, "async_server_side");
    }
    redis.kill();
    let away = Instant::now();
    let before = asking.asked.len();
    while away.elapsed() < Duration::from_secs(absence) {
        assert_eq!(asking.ask().await, "server_side");
    }
    let meanwhile = asking.asked.len() - before;
    redis.restart();
    while asking.ask().await != "async_server_side" {}
    for _ in 0..100 {
        assert_eq!(asking.ask().await, "async_server_side");
    }

    let events = app.flush_and_collect().await;
    let mut arrived = event_names(&events);
    arrived.sort_unstable();
    assert_eq!(arrived, asking.asked, "each once");
    let lines = std::mem::take(&mut log.0.lock().unwrap().lines);
    println!(
        "{meanwhile} asked meanwhile, the slowest answer took {:?}; the log: {lines:#?}",
        asking.slowest
    );
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(
        lines[0].starts_with("ERROR Redis cannot be reached: "),
        "{lines:#?}"
    );
    assert_eq!(lines[1], "INFO Redis is back");
    assert!(
        asking.slowest < Duration::from_secs(5),
        "nobody waits for Redis: {:?}",
        asking.slowest
    );
}

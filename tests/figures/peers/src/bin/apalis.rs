//! apalis on Redis: a job an event, and a worker that does nothing with them, which is the queue alone.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use figures::{properties, user};
use serde::{Deserialize, Serialize};

/// With 8,000 that are due its script fails (`too many results to unpack`), and nothing moves any more.
const JOBS: usize = 5_000;
/// As many are pushed at once.
const AT_ONCE: usize = 64;
const PORT: &str = "16399";

static DONE: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Event {
    name: String,
    user: String,
    properties: serde_json::Value,
}

async fn deliver(_: Event) -> Result<(), BoxDynError> {
    DONE.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::main]
async fn main() {
    let mut redis = Command::new("redis-server");
    redis
        .args(["--port", PORT, "--save", "", "--appendonly", "no"])
        .stdout(Stdio::null());
    let _redis = Redis(redis.spawn().expect("redis-server"));
    let url = format!("redis://127.0.0.1:{PORT}/");
    let connection = loop {
        match apalis_redis::connect(url.as_str()).await {
            Ok(connection) => break connection,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let storage: RedisStorage<Event> =
        RedisStorage::new(connection).with_config(Config::default().batch_size(1_000));

    let began = Instant::now();
    let pushers: Vec<_> = (0..AT_ONCE)
        .map(|pusher| {
            let mut storage = storage.clone();
            tokio::spawn(async move {
                for number in (pusher..JOBS).step_by(AT_ONCE) {
                    let properties = serde_json::to_value(properties(number)).expect("JSON");
                    let event = Event {
                        name: "Create Blog Post".into(),
                        user: user(number),
                        properties,
                    };
                    storage.push(event).await.expect("it is pushed");
                }
            })
        })
        .collect();
    for pusher in pushers {
        pusher.await.expect("it ends");
    }
    let pushed = began.elapsed();

    let began = Instant::now();
    let worker = WorkerBuilder::new("figures")
        .backend(storage)
        .concurrency(1_000)
        .build(deliver);
    tokio::spawn(worker.run());
    while DONE.load(Ordering::Relaxed) < JOBS {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let drained = began.elapsed();
    let each = |took: Duration| took.as_secs_f64() * 1e6 / JOBS as f64;
    println!(
        "apalis 1 on Redis: {:.2} µs to push one, {:.0} drained a second",
        each(pushed),
        1e6 / each(drained)
    );
}

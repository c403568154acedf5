//! apalis on Redis: a job per event, and a worker that does nothing with it, to measure the queue
//! alone.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_redis::{Config, RedisStorage};
use compare::{properties, user_id};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Number of jobs. With 8,000 due jobs the script of apalis-redis 1 fails (`too many results to
/// unpack`), and the queue stops.
const JOBS: usize = 5_000;
/// Jobs that are pushed at the same time.
const CONCURRENT_PUSHES: usize = 64;
const PORT: &str = "16399";
/// Time limit for each step.
const TIMEOUT: Duration = Duration::from_secs(60);

static DONE: AtomicUsize = AtomicUsize::new(0);
/// Notified when all jobs are delivered.
static IS_DONE: Notify = Notify::const_new();

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Event {
    name: String,
    user_id: String,
    properties: serde_json::Value,
}

async fn deliver(_: Event) -> Result<(), BoxDynError> {
    if DONE.fetch_add(1, Ordering::Relaxed) + 1 == JOBS {
        IS_DONE.notify_one();
    }
    Ok(())
}

/// Server that is killed when dropped.
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
    let _redis = Redis(redis.spawn().expect("redis-server is installed"));
    let url = format!("redis://127.0.0.1:{PORT}/");
    let connected = async {
        loop {
            match apalis_redis::connect(url.as_str()).await {
                Ok(connection) => return connection,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let connection = timeout(TIMEOUT, connected)
        .await
        .expect("Redis accepts connections");
    let storage: RedisStorage<Event> =
        RedisStorage::new(connection).with_config(Config::default().batch_size(1_000));

    let started = Instant::now();
    let pushers: Vec<_> = (0..CONCURRENT_PUSHES)
        .map(|pusher| {
            let mut storage = storage.clone();
            tokio::spawn(async move {
                for number in (pusher..JOBS).step_by(CONCURRENT_PUSHES) {
                    let properties = serde_json::to_value(properties(number)).expect("JSON");
                    let event = Event {
                        name: "Create Blog Post".into(),
                        user_id: user_id(number),
                        properties,
                    };
                    storage.push(event).await.expect("the job is pushed");
                }
            })
        })
        .collect();
    for pusher in pushers {
        pusher.await.expect("all jobs are pushed");
    }
    let push_time = started.elapsed();

    let started = Instant::now();
    let worker = WorkerBuilder::new("compare")
        .backend(storage)
        .concurrency(1_000)
        .build(deliver);
    tokio::spawn(worker.run());
    let done = async {
        while DONE.load(Ordering::Relaxed) < JOBS {
            IS_DONE.notified().await;
        }
    };
    timeout(TIMEOUT, done)
        .await
        .expect("all jobs are delivered");
    let drain_time = started.elapsed();
    let micros_each = |total: Duration| total.as_secs_f64() * 1e6 / JOBS as f64;
    println!(
        "apalis 1 on Redis: {:.2} µs to push one, {:.0} drained/s",
        micros_each(push_time),
        1e6 / micros_each(drain_time)
    );
}

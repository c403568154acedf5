//! Cost of each outbox: an append in the web process, and the rate at which one worker drains.
//! `cargo bench -p mengpaneel-tests --bench outbox`, with `redis-server` on the path.
//!
//! `metered` is `Memory` inside of an outbox that counts its operations by public methods, as an
//! application's own may do.
//!
//! With `-- backlog` the bench measures the memory that a million records in a file take, with
//! `-- backlog redis` in Redis.

mod process;
mod redis;
mod sink;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mengpaneel::outbox::{self, Outbox, Record};
use mengpaneel::{Call, Calls, Envelope, Mengpaneel, Method, Visitor};
use mengpaneel_tests::Metered;
use process::{cpu_time, resident_kib};
use redis::Redis;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Appends that wait at the same time, as the requests of a busy server do.
const CONCURRENT_APPENDS: u32 = 64;
/// Records for each outbox: about as many as `Memory` holds by default.
const RECORDS: u32 = 50_000;

fn main() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("outbox-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let has_arg = |name: &str| std::env::args().any(|arg| arg == name);
    let result = if has_arg("backlog") {
        runtime.block_on(measure_backlog(&directory, has_arg("redis")))
    } else {
        runtime.block_on(measure_all(&directory))
    };
    std::fs::remove_dir_all(&directory)?;
    result
}

async fn measure_all(directory: &Path) -> Result<()> {
    let redis = Redis::start(directory)?;
    let outboxes: [(&str, Arc<dyn Outbox>); 4] = [
        ("memory", outbox::from_url("memory")?),
        ("metered", Arc::new(Metered::new(outbox::Memory::default()))),
        ("file", outbox::from_url(&file_url(directory))?),
        ("redis", outbox::from_url(redis.url())?),
    ];
    println!(
        "{:8} {:>14} {:>14} {:>12} {:>12}",
        "outbox", "CPU/append", "time/append", "appends/s", "drained/s"
    );
    for (name, outbox) in outboxes {
        outbox.open()?;
        let (cpu_before, started) = (cpu_time()?, Instant::now());
        append(&*outbox, RECORDS).await?;
        let (cpu, elapsed) = (cpu_time()?.saturating_sub(cpu_before), started.elapsed());
        let drain_rate = drain(outbox, RECORDS).await?;
        let micros_each = |total: Duration| total.as_secs_f64() * 1e6 / f64::from(RECORDS);
        let append_rate = f64::from(RECORDS) / elapsed.as_secs_f64();
        println!(
            "{name:8} {:>11.2} µs {:>11.2} µs {append_rate:>12.0} {drain_rate:>12.0}",
            micros_each(cpu),
            micros_each(elapsed)
        );
    }
    Ok(())
}

fn file_url(directory: &Path) -> String {
    format!("file:{}", directory.join("outbox").display())
}

/// Appends `count` records, `CONCURRENT_APPENDS` at a time.
async fn append(outbox: &dyn Outbox, count: u32) -> Result<()> {
    let mut remaining = count;
    while remaining > 0 {
        let batch = remaining.min(CONCURRENT_APPENDS);
        remaining -= batch;
        let appends = (0..batch).map(|number| outbox.append(record(remaining + number)));
        for appended in join_all(appends).await {
            appended?;
        }
    }
    Ok(())
}

fn record(number: u32) -> Record {
    let visitor = Visitor {
        ip: Some("203.0.113.7".into()),
        user_agent: Some(
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".into(),
        ),
        url: Some("https://blog.example/posts/1?from=feed".into()),
        ..Visitor::default()
    };
    let identify = Call::new(Method::Identify, vec![json!("42")]);
    let properties = json!({"$insert_id": number.to_string(), "time": 1_700_000_000_000_u64, "Title": "A title", "Words": 250});
    let track = Call::new(Method::Track, vec![json!("Create Blog Post"), properties]);
    let envelope = Envelope::new(
        visitor,
        Calls {
            setup: vec![identify],
            tracking: vec![track],
            ..Calls::default()
        },
    );
    Record::new(&envelope)
}

/// Delivers `count` records to a local sink, and returns records per second.
async fn drain(outbox: Arc<dyn Outbox>, count: u32) -> Result<f64> {
    let sink_url = sink::start()?;
    let started = Instant::now();
    let mengpaneel = Mengpaneel::builder("t")
        .api_host(sink_url)
        .outbox(outbox)
        .build()?;
    mengpaneel.flush(Duration::from_secs(600)).await?;
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    mengpaneel.shutdown(Duration::ZERO).await?;
    Ok(rate)
}

async fn measure_backlog(directory: &Path, in_redis: bool) -> Result<()> {
    let redis = in_redis.then(|| Redis::start(directory)).transpose()?;
    let url = redis
        .as_ref()
        .map_or_else(|| file_url(directory), |redis| redis.url().to_owned());
    let outbox = outbox::from_url(&url)?;
    outbox.open()?;
    for step in 0..=10 {
        if step > 0 {
            append(&*outbox, 100_000).await?;
        }
        println!(
            "{:>9} pending records: {:>6} KiB resident",
            outbox.pending().await?,
            resident_kib()?
        );
    }
    let started = Instant::now();
    let rate = drain(outbox, 1_000_000).await?;
    println!(
        "drained in {:.1} s, {rate:.0} records/s, {} KiB resident",
        started.elapsed().as_secs_f64(),
        resident_kib()?
    );
    Ok(())
}

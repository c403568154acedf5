//! What the outboxes cost: an append in the web process, and how fast one worker drains.
//!
//! `cargo run --release -p mengpaneel-tests --bin outbox-figures`, with `redis-server` on the path.
//! `-- backlog` fills a file with a million records instead, `-- backlog redis` a Redis, and says
//! what memory that takes.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::future::join_all;
use mengpaneel::outbox::{self, Outbox};
use mengpaneel::{Call, Calls, Mengpaneel, Method, Parcel, Visitor};
use serde_json::json;

type Done<T> = Result<T, Box<dyn std::error::Error>>;

/// Requests that are answered at once.
const AT_ONCE: usize = 64;

fn main() -> Done<()> {
    let folder = std::env::temp_dir().join(format!("outbox-figures-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let done = if std::env::args().any(|arg| arg == "backlog") {
        runtime.block_on(backlog(&folder))
    } else {
        runtime.block_on(figures(&folder))
    };
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn figures(folder: &Path) -> Done<()> {
    let (redis, _running) = redis(folder)?;
    let urls = [
        "memory".to_owned(),
        format!("file:{}", folder.join("outbox").display()),
        redis,
    ];
    println!(
        "{:8} {:>14} {:>14} {:>12} {:>12}",
        "outbox", "CPU/append", "time/append", "appends/s", "drained/s"
    );
    for url in urls {
        let outbox = outbox::at(&url)?;
        outbox.open()?;
        let count = 50_000; // as many as memory takes by default, about
        let (cpu, before) = (cpu_time()?, Instant::now());
        append(&*outbox, count).await?;
        let (cpu, took) = (cpu_time()?.saturating_sub(cpu), before.elapsed());
        let drained = drain(outbox, count).await?;
        let each = |whole: Duration| whole.as_secs_f64() * 1e6 / f64::from(count);
        let name = url.split(':').next().unwrap_or_default();
        let rate = f64::from(count) / took.as_secs_f64();
        println!(
            "{name:8} {:>11.2} µs {:>11.2} µs {rate:>12.0} {drained:>12.0}",
            each(cpu),
            each(took)
        );
    }
    Ok(())
}

/// As many requests at once as a busy server has.
async fn append(outbox: &dyn Outbox, count: u32) -> Done<()> {
    let mut left = count;
    while left > 0 {
        let some = left.min(u32::try_from(AT_ONCE)?);
        left -= some;
        let appended = join_all((0..some).map(|number| outbox.append(parcel(left + number)))).await;
        appended.into_iter().collect::<Result<Vec<_>, _>>()?;
    }
    Ok(())
}

fn parcel(number: u32) -> Parcel {
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
    Parcel::new(
        visitor,
        Calls {
            setup: vec![identify],
            tracking: vec![track],
            ..Calls::default()
        },
    )
}

/// Records a second, to a sink on this machine.
async fn drain(outbox: Box<dyn Outbox>, count: u32) -> Done<f64> {
    let sink = sink()?;
    let before = Instant::now();
    let mengpaneel = Mengpaneel::builder("t")
        .api_host(sink)
        .outbox(outbox)
        .build()?;
    mengpaneel.flush(Duration::from_secs(600)).await?;
    let rate = f64::from(count) / before.elapsed().as_secs_f64();
    mengpaneel.shutdown(Duration::ZERO).await?;
    Ok(rate)
}

/// Takes everything and looks at nothing.
fn sink() -> Done<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let taken = |body: web::Bytes| async move {
            drop(body);
            HttpResponse::Ok()
                .json(json!({"code": 200, "num_records_imported": 2000, "status": "OK"}))
        };
        let app = move || {
            App::new()
                .app_data(web::PayloadConfig::new(64 << 20))
                .default_service(web::to(taken))
        };
        actix_web::rt::System::new().block_on(async move {
            HttpServer::new(app)
                .workers(1)
                .disable_signals()
                .listen(listener)?
                .run()
                .await
        })
    });
    Ok(format!("http://{address}"))
}

async fn backlog(folder: &Path) -> Done<()> {
    let redis = if std::env::args().any(|arg| arg == "redis") {
        Some(redis(folder)?)
    } else {
        None
    };
    let url = match &redis {
        Some((url, _)) => url.clone(),
        None => format!("file:{}", folder.join("outbox").display()),
    };
    let outbox = outbox::at(&url)?;
    outbox.open()?;
    for hundred_thousand in 0..=10 {
        if hundred_thousand > 0 {
            append(&*outbox, 100_000).await?;
        }
        println!(
            "{:>9} records wait: {:>6} KiB resident",
            outbox.waiting().await?,
            resident()?
        );
    }
    let before = Instant::now();
    let rate = drain(outbox, 1_000_000).await?;
    println!(
        "drained in {:.1} s, {rate:.0} records/s, {} KiB resident",
        before.elapsed().as_secs_f64(),
        resident()?
    );
    Ok(())
}

/// Of this process, all threads.
fn cpu_time() -> Done<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = [11, 12]
        .iter()
        .filter_map(|at| fields.get(*at)?.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}

fn resident() -> Done<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// Killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn redis(folder: &Path) -> Done<(String, Running)> {
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let folder: PathBuf = folder.to_owned();
    let mut child = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--appendonly",
            "yes",
            "--dir",
        ])
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or("no standard output")?;
    let running = Running(child);
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    lines
        .find(|line| line.contains("Ready to accept"))
        .ok_or("redis-server did not start")?;
    // Its pipe stays open and is read.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((format!("redis://127.0.0.1:{port}/"), running))
}

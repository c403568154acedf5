//! Worker program: delivers the records of an outbox to Mixpanel.
#![allow(
    rustdoc::bare_urls,
    reason = "clap shows the documentation of an option on a terminal, without Markdown"
)]

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use mengpaneel::outbox::{Outbox, OutboxError};
use mengpaneel::{FlushTimeoutError, Health, Mengpaneel, Region, UnknownRegionError, outbox};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing_subscriber::EnvFilter;

/// Delivers the records of an outbox to Mixpanel.
#[derive(Parser)]
#[expect(
    clippy::doc_markdown,
    reason = "clap shows the documentation of an option on a terminal, without Markdown"
)]
#[command(name = "mengpaneel-worker", version)]
struct Options {
    /// Outbox: file:PATH, redis://HOST, rediss://HOST, redis+cluster://HOST.
    #[arg(env = "OUTBOX", hide_env_values = true)]
    outbox: String,
    /// Project token.
    #[arg(
        long,
        env = "MIXPANEL_TOKEN",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    token: String,
    /// Region of the project: us, eu or in.
    #[arg(long, env = "MIXPANEL_REGION")]
    region: Option<String>,
    /// Base URL of the API, such as that of a proxy; overrides the region.
    #[arg(long, env = "MIXPANEL_API_HOST", hide_env_values = true)]
    api_host: Option<String>,
    /// Service account for the import of events: USER:SECRET:PROJECT.
    #[arg(long, env = "MIXPANEL_SERVICE_ACCOUNT", hide_env_values = true)]
    service_account: Option<String>,
    /// Number of batches in flight at once. With one, records are delivered in order.
    #[arg(long, default_value_t = 1)]
    concurrency: usize,
    /// Number of crashes during the delivery of a record after which it becomes a dead letter.
    #[arg(long, default_value_t = 10)]
    max_redeliveries: u32,
    /// Exit when no record is pending.
    #[arg(long)]
    once: bool,
    /// Seconds without progress after which --once fails, if the outbox or Mixpanel is
    /// unreachable. With --dead and --requeue: seconds to wait for a file that another process
    /// has open.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Print the dead letters, latest first, as one JSON object per line, and exit.
    #[arg(long, conflicts_with = "once")]
    dead: bool,
    /// Make dead letters pending again, so that a worker delivers them, and exit.
    #[arg(long, conflicts_with_all = ["once", "dead"])]
    requeue: bool,
    /// Number of dead letters to print (default: 100) or to requeue (default: all).
    #[arg(long)]
    limit: Option<usize>,
}

/// Default number of dead letters to print.
const DEFAULT_LIMIT: usize = 100;

/// Error for an outbox of one process, or of a foreign program.
const NO_CONSUMER: &str = "a worker cannot drain this outbox: use a file: or redis: URL";

/// Interval at which --once checks its progress.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            if options.dead {
                print_dead_letters(&options).await
            } else if options.requeue {
                requeue(&options).await
            } else {
                drain(&options).await
            }
        })
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mengpaneel-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

type BoxError = Box<dyn std::error::Error>;

/// Opens the outbox for its dead letters. Unlike a worker, this uses no sibling of a locked file.
fn open_for_dead_letters(options: &Options) -> Result<Arc<dyn Outbox>, OutboxError> {
    let outbox = match options
        .outbox
        .strip_prefix("file:")
        .filter(|path| !path.is_empty())
    {
        Some(path) => {
            let timeout = Duration::from_secs(options.timeout);
            Arc::new(outbox::File::new(path).on_locked(outbox::OnLocked::Wait(timeout)))
        }
        None => outbox::from_url(&options.outbox)?,
    };
    outbox.open()?;
    Ok(outbox)
}

async fn requeue(options: &Options) -> Result<(), BoxError> {
    let outbox = open_for_dead_letters(options)?;
    let consumer = outbox.consumer().ok_or(NO_CONSUMER)?;
    let count = consumer
        .requeue(options.limit.unwrap_or(usize::MAX))
        .await?;
    tracing::info!("requeued {count} dead letters in {}", outbox.description());
    let remaining = consumer.dead_letters(1).await?.len();
    if remaining > 0 && options.limit.is_none() {
        let reason = "it is full, or a worker added dead letters meanwhile; print them with --dead, and \
                      try again";
        return Err(format!("dead letters remain in {}: {reason}", outbox.description()).into());
    }
    Ok(())
}

async fn print_dead_letters(options: &Options) -> Result<(), BoxError> {
    let outbox = open_for_dead_letters(options)?;
    let consumer = outbox.consumer().ok_or(NO_CONSUMER)?;
    let limit = options.limit.unwrap_or(DEFAULT_LIMIT);
    let mut out = stdout().lock();
    for record in consumer.dead_letters(limit).await? {
        writeln!(out, "{}", serde_json::to_string(&record)?)?;
    }
    Ok(())
}

async fn drain(options: &Options) -> Result<(), BoxError> {
    let mengpaneel = build(options)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let finished = async {
        if options.once {
            drain_once(&mengpaneel, Duration::from_secs(options.timeout)).await
        } else {
            std::future::pending().await
        }
    };
    let mut result = Ok(());
    tokio::select! {
        finished = finished => result = finished,
        () = print_progress(&mengpaneel) => {}
        _ = terminate.recv() => tracing::info!("received a signal: the worker will finish the requests in flight and exit"),
        _ = interrupt.recv() => tracing::info!("received a signal: the worker will finish the requests in flight and exit"),
    }
    // Pending records stay in the outbox; only requests in flight are finished.
    let _ = mengpaneel.shutdown(Duration::ZERO).await;
    let health = mengpaneel.health().await;
    tracing::info!(
        "{} records delivered, {} pending",
        health.delivered,
        health.pending
    );
    Ok(result?)
}

/// Waits until no record is pending. Fails if neither this nor another worker delivered a record
/// for `timeout`.
async fn drain_once(mengpaneel: &Mengpaneel, timeout: Duration) -> Result<(), FlushTimeoutError> {
    let (mut delivered, mut pending, mut last_progress) = (0, usize::MAX, Instant::now());
    loop {
        let Err(error) = mengpaneel.flush(POLL_INTERVAL.min(timeout)).await else {
            return Ok(());
        };
        let health = mengpaneel.health().await;
        // An unreachable outbox has 0 pending records in `Health`.
        let now_pending = if health.pending == 0 {
            pending
        } else {
            health.pending
        };
        if health.delivered > delivered || now_pending < pending {
            last_progress = Instant::now();
        } else if last_progress.elapsed() >= timeout {
            return Err(error);
        }
        (delivered, pending) = (health.delivered, now_pending);
    }
}

fn build(options: &Options) -> Result<Mengpaneel, BoxError> {
    if options.token.trim().is_empty() {
        return Err("the project token is missing: set --token or MIXPANEL_TOKEN".into());
    }
    let outbox = outbox::from_url(&options.outbox)?;
    if !outbox.is_durable() || outbox.consumer().is_none() {
        return Err(NO_CONSUMER.into());
    }
    let mut builder = Mengpaneel::builder(options.token.as_str())
        .outbox(outbox)
        .concurrency(options.concurrency.max(1))
        .max_redeliveries(options.max_redeliveries);
    if let Some(region) = options
        .region
        .as_deref()
        .map(str::trim)
        .filter(|region| !region.is_empty())
    {
        let region: Region = region
            .parse()
            .map_err(|error: UnknownRegionError| format!("--region or MIXPANEL_REGION: {error}"))?;
        builder = builder.api_host(region);
    }
    if let Some(host) = options.api_host.as_deref().filter(|host| !host.is_empty()) {
        builder = builder.api_host(host);
    }
    if let Some(account) = options
        .service_account
        .as_deref()
        .filter(|account| !account.is_empty())
    {
        let parts: Vec<&str> = account.splitn(3, ':').collect();
        let [user, secret, project] = parts[..] else {
            return Err("--service-account must have the form USER:SECRET:PROJECT".into());
        };
        builder = builder.service_account(user, secret, project);
    }
    Ok(builder.build()?)
}

/// Prints the progress: on a terminal, it updates one line; otherwise it prints a line per change.
async fn print_progress(mengpaneel: &Mengpaneel) {
    let is_terminal = stderr().is_terminal();
    let mut ticks = interval(Duration::from_secs(if is_terminal { 1 } else { 10 }));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = String::new();
    loop {
        ticks.tick().await;
        let Health {
            delivered, pending, ..
        } = mengpaneel.health().await;
        let progress = format!("{delivered} delivered, {pending} pending");
        let printed = if is_terminal {
            write!(stderr(), "\r\x1b[2K{progress}")
        } else if last != progress {
            writeln!(stderr(), "{progress}")
        } else {
            Ok(())
        };
        if printed.is_err() {
            // Standard error is closed; the delivery continues.
            std::future::pending::<()>().await;
        }
        last = progress;
    }
}

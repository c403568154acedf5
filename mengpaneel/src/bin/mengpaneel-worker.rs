//! Drains an outbox: delivers to Mixpanel what web processes left in it.
#![allow(
    rustdoc::bare_urls,
    reason = "what is said of an option is shown on a terminal, as it stands"
)]

use std::io::{IsTerminal, Write, stderr, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use mengpaneel::outbox::{Outbox, OutboxError};
use mengpaneel::{FlushTimeoutError, Mengpaneel, Region, UnknownRegionError, outbox};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};
use tracing_subscriber::EnvFilter;

/// Drains an outbox: delivers to Mixpanel what web processes left in it.
#[derive(Parser)]
#[expect(
    clippy::doc_markdown,
    reason = "what is said of an option is shown on a terminal, as it stands"
)]
#[command(name = "mengpaneel-worker", version)]
struct Options {
    /// The outbox: file:PATH, redis://HOST, rediss://HOST, redis+cluster://HOST.
    #[arg(env = "OUTBOX", hide_env_values = true)]
    outbox: String,
    /// The project's token.
    #[arg(
        long,
        env = "MIXPANEL_TOKEN",
        hide_env_values = true,
        default_value = "",
        hide_default_value = true
    )]
    token: String,
    /// Region that the project's data lives in: us, eu or in.
    #[arg(long, env = "MIXPANEL_REGION")]
    region: Option<String>,
    /// Base URL to deliver to in place of the region's, as a proxy's.
    #[arg(long, env = "MIXPANEL_API_HOST", hide_env_values = true)]
    api_host: Option<String>,
    /// A service account to import events with: USER:SECRET:PROJECT.
    #[arg(long, env = "MIXPANEL_SERVICE_ACCOUNT", hide_env_values = true)]
    service_account: Option<String>,
    /// How many batches to deliver at once. With one, records arrive in their order.
    #[arg(long, default_value_t = 1)]
    concurrency: usize,
    /// How often a record may be taken up by a process that dies of it, before it is buried.
    #[arg(long, default_value_t = 10)]
    max_deliveries: u32,
    /// End when nothing waits any more.
    #[arg(long)]
    once: bool,
    /// Seconds without progress after which --once fails, while the outbox or Mixpanel cannot be
    /// reached. With --dead and --requeue: how long to wait for a file that another process
    /// has open.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// Show what was given up, the latest first, one JSON object a line, and end.
    #[arg(long, conflicts_with = "once")]
    dead: bool,
    /// Put what was given up back among the records that wait, and end; a worker then delivers it.
    #[arg(long, conflicts_with_all = ["once", "dead"])]
    requeue: bool,
    /// Number of records to show (100 unless told) or to put back (all unless told).
    #[arg(long)]
    limit: Option<usize>,
}

/// Number of dead letters that are shown.
const SHOWN: usize = 100;

/// Interval at which --once looks whether it is done.
const LOOK: Duration = Duration::from_secs(1);

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
    let worked = runtime.map_err(Into::into).and_then(|runtime| {
        runtime.block_on(async {
            if options.dead {
                show_dead(&options).await
            } else if options.requeue {
                requeue(&options).await
            } else {
                drain(&options).await
            }
        })
    });
    match worked {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mengpaneel-worker: {error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

/// The outbox whose dead letters are wanted. A file is that file, and not one beside it as where
/// records are drained.
fn outbox_of_dead_letters(options: &Options) -> Result<Box<dyn Outbox>, OutboxError> {
    let outbox = match options
        .outbox
        .strip_prefix("file:")
        .filter(|path| !path.is_empty())
    {
        Some(path) => {
            let patience = Duration::from_secs(options.timeout);
            Box::new(outbox::File::new(path).on_locked(outbox::OnLocked::Wait(patience)))
        }
        None => outbox::from_url(&options.outbox)?,
    };
    outbox.open()?;
    Ok(outbox)
}

async fn requeue(options: &Options) -> Done {
    let outbox = outbox_of_dead_letters(options)?;
    let count = outbox.requeue(options.limit.unwrap_or(usize::MAX)).await?;
    tracing::info!("put {count} dead letters back in {}", outbox.description());
    let left = outbox.dead_letters(1).await?.len();
    if left > 0 && options.limit.is_none() {
        let why = "it has no more room, or others are given up meanwhile; see them with --dead, and try again";
        return Err(format!("dead letters are left in {}: {why}", outbox.description()).into());
    }
    Ok(())
}

async fn show_dead(options: &Options) -> Done {
    let outbox = outbox_of_dead_letters(options)?;
    let mut out = stdout().lock();
    for lease in outbox.dead_letters(options.limit.unwrap_or(SHOWN)).await? {
        writeln!(out, "{}", serde_json::to_string(&lease)?)?;
    }
    Ok(())
}

async fn drain(options: &Options) -> Done {
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
    let mut ended = Ok(());
    tokio::select! {
        finished = finished => ended = finished,
        () = report(&mengpaneel) => {}
        _ = terminate.recv() => tracing::info!("asked to end: what is on its way is finished first"),
        _ = interrupt.recv() => tracing::info!("asked to end: what is on its way is finished first"),
    }
    // What waits goes on waiting; only what is in hand is brought to its end.
    let _ = mengpaneel.shutdown(Duration::ZERO).await;
    let health = mengpaneel.health().await;
    tracing::info!("{} records done, {} wait", health.delivered, health.pending);
    Ok(ended?)
}

/// Waits until nothing waits. Fails where nothing was delivered for as long as `patience`, nor
/// taken by another worker.
async fn drain_once(mengpaneel: &Mengpaneel, patience: Duration) -> Result<(), FlushTimeoutError> {
    let (mut done, mut waiting, mut since) = (0, usize::MAX, Instant::now());
    loop {
        let Err(not_sent) = mengpaneel.flush(LOOK.min(patience)).await else {
            return Ok(());
        };
        let health = mengpaneel.health().await;
        // An outbox that is away counts none that wait.
        let left = if health.pending == 0 {
            waiting
        } else {
            health.pending
        };
        if health.delivered > done || left < waiting {
            since = Instant::now();
        } else if since.elapsed() >= patience {
            return Err(not_sent);
        }
        (done, waiting) = (health.delivered, left);
    }
}

fn build(options: &Options) -> Result<Mengpaneel, Box<dyn std::error::Error>> {
    if options.token.trim().is_empty() {
        return Err("the project's token is needed: --token or MIXPANEL_TOKEN".into());
    }
    let outbox = outbox::from_url(&options.outbox)?;
    if !outbox.is_durable() || options.outbox.starts_with("sidekiq+") {
        return Err(
            "this outbox is nothing that a worker could drain: name a file: or a redis:".into(),
        );
    }
    let mut builder = Mengpaneel::builder(options.token.as_str())
        .outbox(outbox)
        .concurrency(options.concurrency.max(1))
        .max_delivery_attempts(options.max_deliveries);
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
    if let Some(account) = &options.service_account {
        let parts: Vec<&str> = account.splitn(3, ':').collect();
        let [user, secret, project] = parts[..] else {
            return Err("--service-account takes USER:SECRET:PROJECT".into());
        };
        builder = builder.service_account(user, secret, project);
    }
    Ok(builder.build()?)
}

/// Says how far it is: in place on a terminal, else a line where something changed.
async fn report(mengpaneel: &Mengpaneel) {
    let on_terminal = stderr().is_terminal();
    let mut ticks = interval(Duration::from_secs(if on_terminal { 1 } else { 10 }));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        ticks.tick().await;
        let now = mengpaneel.health().await;
        let said = if on_terminal {
            write!(
                stderr(),
                "\r\x1b[2K{} done, {} waiting",
                now.delivered,
                now.pending
            )
        } else if last != Some((now.delivered, now.pending)) {
            writeln!(stderr(), "{} done, {} waiting", now.delivered, now.pending)
        } else {
            Ok(())
        };
        if said.is_err() {
            // Nobody listens; the work goes on.
            std::future::pending::<()>().await;
        }
        last = Some((now.delivered, now.pending));
    }
}

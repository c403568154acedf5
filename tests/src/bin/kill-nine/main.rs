//! Kills what it started, again and again, while requests come in, and counts what arrived.
//!
//! `kill-nine --kill web --outbox file --rounds 10`; also `--outbox redis`, and `--kill worker` or
//! `--kill redis` with it. With `--what delayed` each request is answered by a redirect that nobody
//! follows, so that its event is kept aside for a while.

mod serve;
mod tally;
mod victims;

use std::process::ExitCode;

use stand_in::StandIn;

use tally::Tally;
use victims::{Scene, Victim};

/// As many requests are under way at once.
const CLIENTS: usize = 8;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let done = match args.first().map(String::as_str) {
        Some("serve") => serve::web(&args),
        Some("work") => serve::worker(&args),
        _ => runtime
            .map_err(|error| error.to_string())
            .and_then(|runtime| runtime.block_on(rounds(&args))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kill-nine: {error}");
            ExitCode::FAILURE
        }
    }
}

fn option(args: &[String], name: &str, default: &str) -> String {
    let value = args
        .iter()
        .position(|arg| arg == name)
        .and_then(|at| args.get(at + 1));
    value.cloned().unwrap_or_else(|| default.to_owned())
}

async fn rounds(args: &[String]) -> Result<(), String> {
    let victim: Victim = option(args, "--kill", "web").parse()?;
    let rounds: u64 = option(args, "--rounds", "10")
        .parse()
        .map_err(|error| format!("--rounds: {error}"))?;
    let seed: u64 = option(args, "--seed", "1")
        .parse()
        .map_err(|error| format!("--seed: {error}"))?;
    let stand_in = StandIn::try_start().map_err(|error| error.to_string())?;
    let mut scene = Scene::set(&option(args, "--outbox", "file"), victim, &stand_in.url())?;
    let tally = Tally::default();
    let what = option(args, "--what", "now");
    for round in 0..rounds {
        // Killed when as many more were answered for, which comes at another moment each time.
        let fatal = 50 + mixed(seed + round) % 400;
        let (url, enough) = (
            format!("{}/{what}", scene.url),
            usize::try_from(fatal).unwrap_or(50),
        );
        let answered = tally.load(&url, CLIENTS, enough, || scene.kill()).await?;
        println!("round {}: killed under load, {answered} answers", round + 1);
        scene.start_again()?;
    }
    tally
        .load(&format!("{}/{what}", scene.url), CLIENTS, 50, || Ok(()))
        .await?;
    let verdict = tally.judge(&stand_in, &mut scene).await;
    println!("{verdict}");
    if verdict.holds() {
        Ok(())
    } else {
        Err("what must hold does not".to_owned())
    }
}

/// `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

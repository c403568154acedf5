//! Kills its own child processes under load, and counts the events that arrive.
//!
//! `crash-test --kill web --outbox file --rounds 10`. With `--outbox redis`, `--kill worker` and
//! `--kill redis` are possible too. With `--route delayed`, responses are redirects that no client
//! follows, so that the server delivers the events as a fallback.

mod processes;
mod serve;
mod tally;

use std::process::ExitCode;

use stand_in::StandIn;

use processes::{Processes, Target};
use tally::Tally;

/// Number of requests in flight.
const CLIENTS: usize = 8;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match args.first().map(String::as_str) {
        Some("serve") => serve::web(&args),
        Some("work") => serve::worker(&args),
        _ => runtime
            .map_err(|error| error.to_string())
            .and_then(|runtime| runtime.block_on(run(&args))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("crash-test: {error}");
            ExitCode::FAILURE
        }
    }
}

fn option(args: &[String], name: &str, default: &str) -> String {
    let value = args
        .iter()
        .position(|arg| arg == name)
        .and_then(|index| args.get(index + 1));
    value.cloned().unwrap_or_else(|| default.to_owned())
}

async fn run(args: &[String]) -> Result<(), String> {
    let target: Target = option(args, "--kill", "web").parse()?;
    let rounds: u64 = option(args, "--rounds", "10")
        .parse()
        .map_err(|error| format!("--rounds: {error}"))?;
    let seed: u64 = option(args, "--seed", "1")
        .parse()
        .map_err(|error| format!("--seed: {error}"))?;
    let stand_in = StandIn::try_start().map_err(|error| error.to_string())?;
    let outbox = option(args, "--outbox", "file");
    let mut processes = Processes::start(&outbox, target, &stand_in.url())?;
    let tally = Tally::default();
    let route = option(args, "--route", "now");
    for round in 0..rounds {
        // Number of responses before the kill, another one in each round.
        let before_kill = usize::try_from(50 + mix(seed + round) % 400).unwrap_or(50);
        let url = format!("{}/{route}", processes.url);
        let responses = tally
            .load(&url, CLIENTS, before_kill, || processes.kill())
            .await?;
        println!(
            "round {}: killed under load after {responses} responses",
            round + 1
        );
        processes.restart()?;
    }
    tally
        .load(
            &format!("{}/{route}", processes.url),
            CLIENTS,
            50,
            || Ok(()),
        )
        .await?;
    let report = tally.wait_for_report(&stand_in, &processes).await;
    println!("{report}");
    if report.is_ok() {
        Ok(())
    } else {
        Err("calls were lost or duplicated, or are missing without a report".to_owned())
    }
}

/// Output function of `SplitMix64`, a pseudo-random number generator.
fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

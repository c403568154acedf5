//! Runs the blog until SIGTERM or Ctrl-C, then delivers the pending calls.

use std::io::IsTerminal;
use std::process::ExitCode;

use actix_web::rt::System;
use blog::{Blog, Config, VARIABLES};
use clap::Command;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    // Exits the process for `--help` and for unknown arguments.
    command().get_matches();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(std::io::stderr)
        .init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blog: {error}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    Command::new("blog")
        .about("Example of mengpaneel: a blog that tracks its visitors with Mixpanel")
        .after_help(help())
}

/// Environment variables, each with its meaning and default.
fn help() -> String {
    let variables = VARIABLES.iter().map(|variable| {
        format!(
            "  {}\n      {}\n      [default: {}]\n",
            variable.name, variable.meaning, variable.default
        )
    });
    let log = "  RUST_LOG\n      log filter, for example mengpaneel=debug\n      [default: warn]\n"
        .to_owned();
    ["Environment variables:\n".to_owned()]
        .into_iter()
        .chain(variables)
        .chain([log])
        .collect()
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::from_env()?;
    let blog = Blog::start(config)?;
    println!("listening on {}", blog.url());
    println!("events received: {}", blog.live_url());
    for notice in blog.notices() {
        println!("note: {notice}");
    }
    System::new().block_on(stop_signal())?;
    blog.stop();
    Ok(())
}

/// Waits for SIGTERM or Ctrl-C.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

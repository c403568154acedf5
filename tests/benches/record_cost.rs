//! Instructions that recording one event with three properties takes, counted by callgrind.
//! `cargo bench -p mengpaneel-tests --bench record_cost`, with `valgrind` on the path.
//!
//! The program runs itself under callgrind: with the attribute, with calls by hand, and with the
//! attribute where no request is recorded. The difference of a long and a short run leaves out
//! what starting costs.

use std::hint::black_box;
use std::process::Command;

use serde::Serialize;
use serde_json::json;

const FEW: u64 = 1_000;
const MANY: u64 = 3_000;

#[derive(Serialize)]
struct Order {
    id: u64,
    amount: f64,
    plan: &'static str,
}

#[mengpaneel::track("Buy", "ID" = order.id, "Amount" = order.amount, "Plan" = order.plan)]
fn by_attribute(order: &Order) -> u64 {
    order.id
}

fn by_hand(order: &Order) -> u64 {
    if mengpaneel::current().is_recording() {
        mengpaneel::track(
            "Buy",
            json!({"ID": order.id, "Amount": order.amount, "Plan": order.plan}),
        );
    }
    order.id
}

/// Records `count` events.
fn record(way: &str, count: u64) {
    let track: fn(&Order) -> u64 = if way == "hand" { by_hand } else { by_attribute };
    let order = Order {
        id: 7,
        amount: 12.5,
        plan: "pro",
    };
    let repeat = || {
        for _ in 0..count {
            black_box(track(black_box(&order)));
        }
    };
    if way == "outside" {
        repeat();
    } else {
        let ((), calls) = mengpaneel::testing::record(repeat);
        assert_eq!(
            calls.tracking.len() as u64,
            count,
            "every event is recorded"
        );
    }
}

/// Counts the instructions of a run of this program that records `count` events.
fn count_instructions(way: &str, count: u64) -> u64 {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["record", way, &count.to_string()])
        .output()
        .expect("valgrind is installed");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    log.lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, instructions)| instructions.trim().parse().ok())
        .unwrap_or_else(|| panic!("callgrind printed no count: {log}"))
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, way, count] = &args[..]
        && command == "record"
    {
        record(way, count.parse().expect("a number of events"));
        return;
    }
    println!("{:<28} instructions", "one event, three properties");
    for way in ["attribute", "hand", "outside"] {
        let more = count_instructions(way, MANY) - count_instructions(way, FEW);
        println!("{way:<28} {}", more / (MANY - FEW));
    }
}

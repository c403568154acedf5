//! Records an event with three properties, again and again, by the attribute or by hand; for
//! `tests/record-cost/run`, which counts the instructions.

use std::hint::black_box;

use serde::Serialize;
use serde_json::json;

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

fn main() {
    let mut args = std::env::args().skip(1);
    let how = args.next().unwrap_or_default();
    let times = args
        .next()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1_000_u32);
    let record: fn(&Order) -> u64 = if how == "hand" { by_hand } else { by_attribute };
    let order = Order {
        id: 7,
        amount: 12.5,
        plan: "pro",
    };
    let repeat = || {
        for _ in 0..times {
            black_box(record(black_box(&order)));
        }
    };
    if how == "outside" {
        repeat();
    } else {
        let ((), calls) = mengpaneel::testing::record(repeat);
        println!("{how}: {} events", calls.tracking.len());
    }
}

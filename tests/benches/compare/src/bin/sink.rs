//! The sink: prints its URL, and serves until it is killed.

fn main() {
    compare::serve_sink(|url| println!("{url}"));
}

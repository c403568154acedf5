//! The sink: says its URL, and serves until it is ended.

fn main() {
    figures::Sink::serve(|url| println!("{url}"));
}

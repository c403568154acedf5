mengpaneel::track!("X");

#[mengpaneel::track("X")]
mod module {}

fn main() {}

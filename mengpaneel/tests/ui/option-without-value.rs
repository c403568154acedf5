#[mengpaneel::track("X", when)]
fn when() {}

#[mengpaneel::track("X", on)]
fn on() {}

#[mengpaneel::track("X", via())]
fn via() {}

#[mengpaneel::setup(when, identify(1))]
fn setup() {}

fn main() {
    when();
    on();
    via();
    setup();
}

#[mengpaneel::tracking(track_links("#nav", "Click"))]
fn links() {}

#[mengpaneel::tracking(get_distinct_id())]
fn answer() {}

#[mengpaneel::tracking(init("token"))]
fn init() {}

#[mengpaneel::tracking(flags.is_enabled("x"))]
fn flags() {}

#[mengpaneel::setup(people("x" = 1))]
fn people() {}

fn main() {
    links();
    answer();
    init();
    flags();
    people();
}

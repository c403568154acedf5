#[mengpaneel::setup(identfy(1))]
fn slip() {}

#[mengpaneel::setup(peple.set("Plan" = 1))]
fn parent() {}

#[mengpaneel::setup(people.st("Plan" = 1))]
fn of_people() {}

#[mengpaneel::setup(increment("Posts", 1))]
fn elsewhere() {}

#[mengpaneel::setup(frobnicate(1))]
fn far_off() {}

#[mengpaneel::trak("X")]
fn attribute() {}

fn main() {
    slip();
    parent();
    of_people();
    elsewhere();
    far_off();
}

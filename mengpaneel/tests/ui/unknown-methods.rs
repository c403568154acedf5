#[mengpaneel::setup(identfy(1))]
fn typo() {}

#[mengpaneel::setup(peple.set("Plan" = 1))]
fn parent() {}

#[mengpaneel::setup(people.st("Plan" = 1))]
fn of_people() {}

#[mengpaneel::setup(increment("Posts", 1))]
fn other_object() {}

#[mengpaneel::setup(frobnicate(1))]
fn far_off() {}

#[mengpaneel::trak("X")]
fn attribute() {}

fn main() {
    typo();
    parent();
    of_people();
    other_object();
    far_off();
}

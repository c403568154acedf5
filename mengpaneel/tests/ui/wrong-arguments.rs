#[mengpaneel::setup(identify())]
fn missing() {}

#[mengpaneel::setup(identify(1, 2))]
fn too_many() {}

#[mengpaneel::setup(identify(1, "Plan" = 2))]
fn no_properties() {}

#[mengpaneel::setup(identify)]
fn no_call() {}

#[mengpaneel::setup(get_group.set("Plan" = 1))]
fn which_group() {}

#[mengpaneel::setup(people.set())]
fn nothing_to_set() {}

#[mengpaneel::before_setup]
fn no_calls() {}

#[mengpaneel::track("X" "Title" = 1)]
fn comma() {}

fn main() {
    missing();
    too_many();
    no_properties();
    no_call();
    which_group();
    nothing_to_set();
    no_calls();
    comma();
}

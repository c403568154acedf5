#[mengpaneel::track("X")]
#[track_caller]
fn above() {}

#[track_caller]
#[mengpaneel::track("X")]
fn below() {}

fn main() {
    above();
    below();
}

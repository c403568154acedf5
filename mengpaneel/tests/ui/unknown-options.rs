#[mengpaneel::track("X", vai(server))]
fn option() {}

#[mengpaneel::track("X", on(sucess))]
fn trigger() {}

#[mengpaneel::track("X", via(browser))]
fn server() {}

#[mengpaneel::track("X", frobnicate(1))]
fn far_off() {}

#[mengpaneel::track("X", on(success), on(failure))]
fn twice() {}

#[mengpaneel::setup(on(success))]
fn without_calls() {}

fn main() {
    option();
    trigger();
    server();
    far_off();
    twice();
    without_calls();
}

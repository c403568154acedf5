#[mengpaneel::track("X", title = 1, "title" = 2)]
fn twice() {}

fn main() {
    twice();
}

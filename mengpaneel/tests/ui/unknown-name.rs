#[mengpaneel::track("X", "Title" = post.title)]
fn unknown() {}

fn main() {
    unknown();
}

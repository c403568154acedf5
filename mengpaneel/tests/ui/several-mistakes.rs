// Each attribute has its own error, the function none.
#[mengpaneel::track("X", when)]
#[mengpaneel::setup(identfy(1))]
#[mengpaneel::before_setup(alias())]
fn several(n: u32) -> u32 {
    n + 1
}

fn main() {
    let _: u32 = several(1);
}

#[mengpaneel::track("X")]
struct Structure;

#[mengpaneel::track("X")]
trait Trait {
    #[mengpaneel::track("X")]
    fn declared(&self);
}

#[mengpaneel::setup(identify(1))]
impl Structure {}

#[mengpaneel::track("X")]
const CONSTANT: u8 = 1;

fn main() {
    let _ = (Structure, CONSTANT);
}

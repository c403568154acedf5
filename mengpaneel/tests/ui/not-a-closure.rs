fn main() {
    let closure = #[mengpaneel::track("X")]
    || 1;
    closure();
}

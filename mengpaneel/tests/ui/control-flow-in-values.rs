// A value cannot leave the function or await: recording must not change what the function does.
use std::future::ready;

#[mengpaneel::track("X", n = s.parse::<u8>()?)]
fn question_mark(s: &str) -> Result<(), std::num::ParseIntError> {
    let _ = s;
    Ok(())
}

#[mengpaneel::track("X", when(flag?))]
fn in_a_condition(flag: Option<bool>) -> Option<()> {
    flag.map(drop)
}

#[mengpaneel::track("X", n = if n > 1 { return } else { n })]
fn returns(n: u8) {
    let _ = n;
}

#[mengpaneel::track("X", n = ready(n).await)]
async fn awaits(n: u8) {
    let _ = n;
}

#[mengpaneel::track("X", n = { if n > 1 { break } n })]
fn breaks(n: u8) {
    let _ = n;
}

#[mengpaneel::track("X", n = { continue })]
fn continues(n: u8) {
    let _ = n;
}

#[mengpaneel::track("X", text = format!("{}", s.parse::<u8>()?))]
fn in_format(s: &str) -> Result<(), std::num::ParseIntError> {
    let _ = s;
    Ok(())
}

#[mengpaneel::setup(identify(s.parse::<u8>()?))]
fn in_an_id(s: &str) -> Result<(), std::num::ParseIntError> {
    let _ = s;
    Ok(())
}

#[mengpaneel::track(name?, ..map?)]
fn in_an_event(name: Option<&str>, map: Option<()>) -> Option<()> {
    name.map(drop)?;
    map
}

macro_rules! bail {
    () => {
        return Err("no")
    };
}

#[mengpaneel::track("X", n = bail!())]
fn hidden_in_a_macro() -> Result<(), &'static str> {
    Ok(())
}

fn main() {
    let _ = question_mark("");
    let _ = in_a_condition(None);
    returns(1);
    drop(awaits(1));
    breaks(1);
    continues(1);
    let _ = in_format("");
    let _ = in_an_id("");
    let _ = in_an_event(None, None);
    let _ = hidden_in_a_macro();
}

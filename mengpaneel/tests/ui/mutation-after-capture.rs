// Values that change after they are captured.
struct Cart {
    total: u32,
    items: Vec<u32>,
}

#[mengpaneel::track("X", total = total)]
fn adds(xs: &[u32]) -> u32 {
    let mut total = 0;
    for x in xs {
        total += x;
    }
    total
}

#[mengpaneel::track("X", total = cart.total)]
fn assigns_a_field() -> Cart {
    let mut cart = Cart { total: 0, items: vec![] };
    cart.total = 5;
    cart
}

#[mengpaneel::track("X", total = cart.total)]
fn assigns_the_whole() -> Cart {
    let mut cart = Cart { total: 0, items: vec![] };
    cart = Cart { total: 1, ..cart };
    cart
}

#[mengpaneel::track("X", n = items.len())]
fn pushes() -> Vec<u32> {
    let mut items = Vec::new();
    items.push(1);
    items
}

#[mengpaneel::track("X", n = cart.items.len())]
fn pushes_to_a_field() -> Cart {
    let mut cart = Cart { total: 0, items: vec![] };
    cart.items.push(1);
    cart
}

#[mengpaneel::track("X", first = totals[0])]
fn assigns_an_element() -> [u32; 1] {
    let mut totals = [0];
    totals[0] = 1;
    totals
}

#[mengpaneel::track("X", total = total)]
fn assigns_through_a_reference(cart: &mut Cart) {
    let total = &mut cart.total;
    *total += 1;
}

fn main() {
    adds(&[]);
    assigns_a_field();
    assigns_the_whole();
    pushes();
    pushes_to_a_field();
    assigns_an_element();
    assigns_through_a_reference(&mut assigns_a_field());
}

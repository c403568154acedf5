struct Money(f64);

#[mengpaneel::tracking(people.increment("Posts", "1"), people.increment("Spent" = money, "Visits" = true))]
fn attribute(money: Money) -> f64 {
    money.0
}

fn main() {
    attribute(Money(1.0));
    mengpaneel::people().increment("Posts", "1");
    mengpaneel::people().increment("Posts", Some(1));
}

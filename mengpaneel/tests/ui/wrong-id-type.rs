use mengpaneel::Mengpaneel;

struct User {
    id: u64,
}

#[mengpaneel::setup(identify(user))]
fn whole_user(user: &User) -> u64 {
    user.id
}

#[mengpaneel::setup(identify(id), set_group("company", ratio), add_group("team", is_member))]
fn others(id: Option<u64>, ratio: f64, is_member: bool) {
    let _ = (id, ratio, is_member);
}

fn by_hand(mengpaneel: &Mengpaneel, user: User, id: Option<u64>) {
    mengpaneel::identify(&user);
    mengpaneel::alias(id);
    mengpaneel.as_user(1.5);
    mengpaneel::set_group("company", [true]);
    mengpaneel::get_group("company", user).delete();
}

fn main() {
    whole_user(&User { id: 1 });
    others(None, 1.0, true);
    let _ = by_hand;
}

struct Secret;

#[mengpaneel::track("X", "Secret" = secret, n = 1)]
fn property(secret: Secret) {
    let _ = secret;
}

fn main() {
    property(Secret);
}

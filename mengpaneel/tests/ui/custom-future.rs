// Futures of custom types, which the attribute cannot wrap. The errors show alternatives.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

struct Own;

impl Future for Own {
    type Output = Result<u8, String>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Err("no".into()))
    }
}

#[mengpaneel::track("X")]
fn own() -> Own {
    Own
}

trait Awaits: Future<Output = u8> {}

#[mengpaneel::track("X")]
fn behind_a_trait() -> Pin<Box<dyn Awaits>> {
    unimplemented!()
}

#[mengpaneel::track("X", n = n)]
fn borrows() -> impl Future<Output = u8> {
    async {
        let n = 1;
        n
    }
}

fn main() {
    drop(own());
    drop(behind_a_trait());
    drop(borrows());
}

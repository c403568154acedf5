#[mengpaneel::track("X", n = n)]
fn in_a_loop() {
    for n in 0..3 {
        let _ = n;
    }
}

#[mengpaneel::track("X", n = n)]
fn in_while_let(mut numbers: Vec<u32>) {
    while let Some(n) = numbers.pop() {
        let _ = n;
    }
}

#[mengpaneel::track("X", n = n)]
fn in_a_closure() {
    let each = |n: u32| n + 1;
    let _ = each(1);
}

#[mengpaneel::track("X", n = n)]
fn in_an_async_block() {
    let later = async {
        let n = 1;
        let _ = n;
    };
    drop(later);
}

#[mengpaneel::track("X", n = n)]
fn without_value() {
    let n;
    n = 1;
    let _ = n;
}

#[mengpaneel::track("X", sum = a + b)]
fn never_together(first: bool) {
    if first {
        let a = 1;
        let _ = a;
    } else {
        let b = 1;
        let _ = b;
    }
}

#[mengpaneel::track("X", n = n)]
fn in_a_constant() -> u32 {
    const {
        let n = 1;
        n
    }
}

#[mengpaneel::track("X", n = n)]
async fn in_a_task_that_is_not_awaited() {
    let task = std::thread::spawn(|| async move {
        let n = 1;
        n
    });
    drop(task);
}

fn main() {
    in_a_constant();
    drop(in_a_task_that_is_not_awaited());
    in_a_loop();
    in_while_let(vec![]);
    in_a_closure();
    in_an_async_block();
    without_value();
    never_together(true);
}

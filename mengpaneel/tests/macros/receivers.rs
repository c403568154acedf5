//! Unusual receivers and traits.

use std::fmt::Debug;
use std::future::ready;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use mengpaneel::track;
use serde::Serialize;
use serde_json::json;

use crate::properties_of_future;
use crate::support::{calls_of, properties_of};

struct Counter {
    n: u32,
}

impl Counter {
    #[track("E", before = self.n, after = after)]
    fn pinned(mut self: Pin<&mut Self>) -> u32 {
        let after = self.n + 1;
        self.n = after;
        after
    }

    #[track("E", n = self.n)]
    fn shared(self: Arc<Self>) -> Arc<Self> {
        self
    }

    #[track("E", n = self.n)]
    fn counted(self: &Rc<Self>) -> u32 {
        self.n
    }

    #[track("E", n = self.n)]
    fn boxed(self: Box<Self>) -> Option<u32> {
        Some(self.n).filter(|n| *n > 0)
    }

    #[track("E", n = self.n)]
    async fn shared_async(self: Arc<Self>) -> u32 {
        ready(self.n).await
    }

    #[track("E", n = self.n)]
    fn by_value(mut self) -> u32 {
        self.n += 1;
        self.n
    }

    #[track("E", n = n, ..json!({"m": Self::LIMIT}))]
    fn associated(n: u32) -> Self {
        Self {
            n: n.min(Self::LIMIT),
        }
    }

    const LIMIT: u32 = 3;
}

trait Named {
    const NAME: &'static str;

    fn id(&self) -> u32;

    #[track(format!("Named {}", Self::NAME), id = self.id())]
    fn provided(&self) -> u32 {
        self.id()
    }

    #[track("Sized", name = Self::NAME)]
    fn without_self() -> usize
    where
        Self: Sized,
    {
        Self::NAME.len()
    }

    #[track("Generic", of = of)]
    fn generic<T: Serialize + Debug>(&self, of: T) -> T {
        of
    }
}

impl Named for u32 {
    const NAME: &'static str = "Number";

    #[track("Id", id = *self)]
    fn id(&self) -> u32 {
        *self
    }
}

impl<T: Named> Named for Vec<T> {
    const NAME: &'static str = T::NAME;

    #[track("Vec", n = self.len())]
    fn id(&self) -> u32 {
        self.len() as u32
    }
}

trait Lend {
    type Item<'a>
    where
        Self: 'a;

    fn lend(&mut self) -> Option<Self::Item<'_>>;
}

impl Lend for Vec<u32> {
    type Item<'a> = &'a mut u32;

    #[track("Lent", n = self.len())]
    fn lend(&mut self) -> Option<Self::Item<'_>> {
        self.first_mut()
    }
}

impl Iterator for Counter {
    type Item = u32;

    #[track("Next", n = self.n)]
    fn next(&mut self) -> Option<Self::Item> {
        self.n = self.n.checked_sub(1)?;
        Some(self.n)
    }
}

struct Borrowed<'a>(&'a str);

impl<'a> Borrowed<'a> {
    #[track("E", text = self.0)]
    fn longer_than_self(&self) -> &'a str {
        self.0
    }

    #[track("E", text = self.0)]
    fn chained(&mut self, text: &'a str) -> &mut Self {
        self.0 = text;
        self
    }
}

records! {
    pinned_receiver_is_read_and_changed: Pin::new(&mut Counter { n: 1 }).pinned() => {"before": 1, "after": 2};
    arc_receiver_may_be_returned: Arc::new(Counter { n: 2 }).shared() => {"n": 2};
    borrowed_rc_receiver_is_read: Rc::new(Counter { n: 2 }).counted() => {"n": 2};
    boxed_receiver_is_moved: Box::new(Counter { n: 2 }).boxed() => {"n": 2};
    receiver_by_value_may_change: Counter { n: 2 }.by_value() => {"n": 2};
    associated_function_may_use_self_type: Counter::associated(5) => {"n": 5, "m": 3};
    associated_function_of_a_trait_records: <u32 as Named>::without_self() => {"name": "Number"};
    generic_method_of_a_trait_records: 1_u32.generic(vec!["a"]) => {"of": ["a"]};
    generic_associated_type_may_be_returned: *vec![1_u32, 2].lend().unwrap() += 1 => {"n": 2};
    lifetime_longer_than_that_of_self_is_preserved: Borrowed("a").longer_than_self() => {"text": "a"};
    receiver_may_be_returned_by_reference: Borrowed("a").chained("b").0.len() => {"text": "a"};
}

#[test]
fn provided_methods_record_for_each_type() {
    assert_eq!(
        calls_of(|| 5_u32.provided()),
        ["track Named Number", "track Id", "track Id"]
    );
    assert_eq!(
        calls_of(|| vec![5_u32].provided()),
        ["track Named Number", "track Vec", "track Vec"]
    );
}

#[test]
fn iterator_records_each_item() {
    let properties = properties_of(|| Counter { n: 2 }.count());
    assert_eq!(
        properties,
        [json!({"n": 2}), json!({"n": 1}), json!({"n": 0})]
    );
}

#[test]
fn arc_receiver_of_an_async_method_is_read() {
    assert_eq!(
        properties_of_future(|| Arc::new(Counter { n: 2 }).shared_async()),
        [json!({"n": 2})]
    );
}

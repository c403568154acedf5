//! IDs as callers pass them: text, integers and UUIDs.

use std::borrow::Cow;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;

use uuid::Uuid;
use uuid::fmt::Hyphenated;

/// ID of a user or a group: text, an integer or a UUID, by value or by reference.
///
/// An ID is sent as a string, so that `7` and `"7"` are the same user. A UUID is formatted in lower
/// case with hyphens.
///
/// For a newtype, pass the wrapped value (`user.id.0`) or implement this trait:
///
/// ```
/// use std::borrow::Cow;
/// use mengpaneel::Id;
///
/// struct UserId(i64);
///
/// impl Id for UserId {
///     fn to_id(&self) -> Cow<'_, str> {
///         self.0.to_id()
///     }
/// }
///
/// mengpaneel::testing::record(|| mengpaneel::identify(UserId(42)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an ID",
    label = "neither text, an integer nor a UUID",
    note = "an ID is text, an integer or a UUID: pass the field that holds it, such as `user.id`",
    note = "unwrap an `Option` first: `if let Some(id) = id`, or `when(let Some(id) = &id)` in an attribute",
    note = "for a type of your own, pass the wrapped value, such as `id.0`, or implement `mengpaneel::Id`"
)]
pub trait Id {
    /// Returns the text of the ID.
    fn to_id(&self) -> Cow<'_, str>;

    /// Calls `visit` with the text of the ID. Numbers and UUIDs do so without allocating.
    fn visit(&self, visit: &mut dyn FnMut(&str)) {
        visit(&self.to_id());
    }
}

/// IDs of groups: one [`Id`] or a list of them, as an array, a slice or a `Vec`.
///
/// ```
/// # fn demo(mixpanel: &mengpaneel::Mixpanel, company_ids: &[u64]) {
/// mixpanel.set_group("company", "acme");
/// mixpanel.set_group("company", ["acme", "umbrella"]);
/// mixpanel.set_group("company", company_ids);
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither an ID nor a list of IDs",
    label = "neither an ID nor a list of IDs",
    note = "an ID is text, an integer or a UUID; a list is an array, a slice or a `Vec` of them"
)]
pub trait Ids {
    /// Returns the length of a list, or `None` for a single ID.
    fn list_len(&self) -> Option<usize>;

    /// Calls `visit` with the text of each ID.
    fn visit_each(&self, visit: &mut dyn FnMut(&str));
}

impl Id for str {
    fn to_id(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl Id for String {
    fn to_id(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl Id for Uuid {
    fn to_id(&self) -> Cow<'_, str> {
        Cow::Owned(self.hyphenated().to_string())
    }

    fn visit(&self, visit: &mut dyn FnMut(&str)) {
        visit(self.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]));
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {$(
        impl Id for $integer {
            fn to_id(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }

            fn visit(&self, visit: &mut dyn FnMut(&str)) {
                visit(itoa::Buffer::new().format(*self));
            }
        }

        impl Id for NonZero<$integer> {
            fn to_id(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }

            fn visit(&self, visit: &mut dyn FnMut(&str)) {
                self.get().visit(visit);
            }
        }
    )*};
}

integers!(
    u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<T: Id + ?Sized> Id for $pointer {
            fn to_id(&self) -> Cow<'_, str> {
                (**self).to_id()
            }

            fn visit(&self, visit: &mut dyn FnMut(&str)) {
                (**self).visit(visit);
            }
        }
    )*};
}

pointers!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: Id + ToOwned + ?Sized> Id for Cow<'_, T> {
    fn to_id(&self) -> Cow<'_, str> {
        (**self).to_id()
    }

    fn visit(&self, visit: &mut dyn FnMut(&str)) {
        (**self).visit(visit);
    }
}

impl<T: Id + ?Sized> Ids for T {
    fn list_len(&self) -> Option<usize> {
        None
    }

    fn visit_each(&self, visit: &mut dyn FnMut(&str)) {
        self.visit(visit);
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty),*) => {$(
        impl<T: Id, $($generics)*> Ids for $list {
            fn list_len(&self) -> Option<usize> {
                Some(self.len())
            }

            fn visit_each(&self, visit: &mut dyn FnMut(&str)) {
                for id in self.iter() {
                    id.visit(visit);
                }
            }
        }
    )*};
}

lists!([] [T], [] &[T], [] Vec<T>, [] &Vec<T>, [] Box<[T]>, [const N: usize] [T; N], [const N: usize] &[T; N]);

#[cfg(test)]
#[expect(
    clippy::needless_borrows_for_generic_args,
    clippy::needless_pass_by_value,
    reason = "the tests pass IDs by value and by reference"
)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_text(id: impl Id, expected: &str) {
        assert_eq!(id.to_id(), expected);
        let mut visited = String::new();
        id.visit(&mut |text| visited.push_str(text));
        assert_eq!(visited, expected);
    }

    #[test]
    fn ids_are_texts_by_value_and_by_reference() {
        let text = String::from("ada");
        assert_text("ada", "ada");
        assert_text(&"ada", "ada");
        assert_text(&text, "ada");
        assert_text(&mut text.clone(), "ada");
        assert_text(Cow::from("ada"), "ada");
        assert_text(&Cow::<str>::Owned(text.clone()), "ada");
        assert_text(Box::<str>::from("ada"), "ada");
        assert_text(Rc::<str>::from("ada"), "ada");
        assert_text(&Arc::<str>::from("ada"), "ada");
        assert_text(text, "ada");
    }

    #[test]
    fn integers_are_written_in_full() {
        assert_text(7, "7");
        assert_text(-7_i64, "-7");
        assert_text(u64::MAX, "18446744073709551615");
        assert_text(i128::MIN, "-170141183460469231731687303715884105728");
        assert_text(u128::MAX, "340282366920938463463374607431768211455");
        assert_text(&&42_usize, "42");
        assert_text(NonZero::<u32>::MAX, "4294967295");
        assert_text(&NonZero::<i64>::MIN, "-9223372036854775808");
    }

    #[test]
    fn uuids_are_written_in_lower_case_with_hyphens() {
        let text = "0199f0a2-7c3b-7e11-9d55-0123456789ab";
        let id: Uuid = text.to_uppercase().parse().unwrap();
        assert_text(id, text);
        assert_text(&id, text);
    }

    #[test]
    fn lists_of_ids_have_a_length() {
        fn all(ids: impl Ids) -> (Option<usize>, Vec<String>) {
            let mut all = Vec::new();
            ids.visit_each(&mut |id| all.push(id.to_owned()));
            (ids.list_len(), all)
        }
        let expected = (Some(2), vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(all([1, 2]), expected);
        assert_eq!(all(&["1", "2"]), expected);
        assert_eq!(all(vec![1_u64, 2]), expected);
        assert_eq!(all(&vec![String::from("1"), String::from("2")]), expected);
        assert_eq!(all(&[1, 2][..]), expected);
        assert_eq!(all("1"), (None, vec!["1".to_owned()]));
        assert_eq!(all(&Vec::<u8>::new()), (Some(0), vec![]));
    }
}

//! Tests of the wire form.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::call::Args;
use crate::call::json::ObjectWriter;

#[test]
fn setup_id_ignores_the_order_of_members() {
    let id_of = |pairs: [(&str, &str); 3]| {
        let mut args = Args::with_capacity();
        args.push(|to| {
            let mut object = ObjectWriter::begin(to);
            for (name, value) in pairs {
                object.name(name, to);
                to.extend_from_slice(value.as_bytes());
            }
            object.end(&[], to);
        });
        setup_id(&[Call::with_args(Method::PeopleSet, args)])
    };
    let [a, b, c] = [("A", "[]"), ("B", r#"{"x":[1,{}],"y":2}"#), ("C", "3")];
    assert_eq!(id_of([a, b, c]), id_of([c, a, b]));
    let swapped = ("B", r#"{"y":2,"x":[1,{}]}"#);
    assert_eq!(id_of([a, b, c]), id_of([swapped, c, a]));
    assert_ne!(id_of([a, b, c]), id_of([a, ("B", "[1]"), c]));
}

#[test]
fn setup_id_is_stable() {
    let calls = signed_up();
    assert_eq!(setup_id(&calls.setup), "5d6328c55b917353");
    assert_ne!(setup_id(&calls.setup), setup_id(&calls.setup[..1]));
    assert_eq!(setup_id(&[]).len(), 16);
}

#[test]
fn header_omits_a_setup_that_the_client_has() {
    let calls = signed_up();
    assert_eq!(
        header(&calls, false),
        r#"[[["alias"],["42"]],[["track"],["Sign Up",{"ID":"42"}]],[["get_group","set"],["company","acme",{"Plan":"</script>"}]]]"#
    );
    assert!(header(&calls, true).contains(r#"[["identify"],["42"]]"#));
}

#[test]
fn header_is_ascii() {
    let calls = calls(json!({"tracking": [[["track"], ["é\u{7f}\n😀"]]]}));
    assert_eq!(
        header(&calls, true),
        r#"[[["track"],["\u00e9\u007f\n\ud83d\ude00"]]]"#
    );
}

proptest! {
    #[test]
    fn header_decodes_to_the_same_calls(args in prop::collection::vec(any_json(), 0..3)) {
        let call = Call::new(Method::Track, args);
        let calls = Calls { tracking: vec![call.clone()], ..Calls::default() };
        let header = header(&calls, true);
        let visible = header.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        prop_assert!(visible);
        prop_assert_eq!(serde_json::from_str::<Vec<Call>>(&header).unwrap(), vec![call]);
    }
}

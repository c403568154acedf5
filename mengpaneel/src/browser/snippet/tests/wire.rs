//! Tests of the wire form.

use proptest::prelude::*;
use serde_json::json;

use super::*;

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

use serde_json::json;

use super::*;

#[test]
fn methods_parse_from_their_paths() {
    for method in Method::ALL {
        assert_eq!(Method::from_path(&method.path()).as_ref(), Some(method));
    }
}

#[test]
fn call_serialises_as_path_and_arguments() {
    let wire = json!([["get_group", "set"], ["company", "acme", {"Plan": "Pro"}]]);
    let call: Call = serde_json::from_value(wire.clone()).unwrap();
    assert_eq!(call.method(), &Method::GroupSet);
    assert_eq!(serde_json::to_value(&call).unwrap(), wire);
}

#[test]
fn path_outside_of_mixpanel_js_is_rejected() {
    for path in [
        json!(["constructor"]),
        json!(["people", "__proto__"]),
        json!([]),
        json!(["a", "b"]),
        json!(["push"]),
    ] {
        assert!(serde_json::from_value::<Call>(json!([path, []])).is_err());
    }
    for path in [
        json!(["name_tag"]),
        json!(["people", "clear_charges"]),
        json!(["flags", "get_variant"]),
    ] {
        assert!(serde_json::from_value::<Call>(json!([path, []])).is_ok());
    }
}

#[test]
fn empty_modes_are_not_serialised() {
    let calls = Calls {
        tracking: vec![Call::new(Method::Track, vec![json!("Sign In")])],
        ..Calls::default()
    };
    assert_eq!(
        serde_json::to_value(&calls).unwrap(),
        json!({"tracking": [[["track"], ["Sign In"]]]})
    );
}

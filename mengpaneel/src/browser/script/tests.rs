use serde_json::json;

use super::*;

fn calls(wire: serde_json::Value) -> Calls {
    serde_json::from_value(wire).unwrap()
}

fn signed_up() -> Calls {
    calls(json!({
        "before_setup": [[["alias"], ["42"]]],
        "setup": [[["identify"], ["42"]], [["people", "set"], [{"$email": "a@b.c"}]]],
        "tracking": [[["track"], ["Sign Up", {"ID": "42"}]],
                     [["get_group", "set"], ["company", "acme", {"Plan": "</script>"}]]],
    }))
}

fn page<'a>(config: &'a Value, calls: Option<&'a Calls>) -> Page<'a> {
    Page {
        token: "T",
        config,
        lib_url: "https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js",
        instance: None,
        loader: Loader::Always,
        calls,
        nonce: None,
    }
}

#[test]
fn calls_stand_in_their_order_one_on_a_line() {
    let (config, calls) = (json!({}), signed_up());
    let block = block(&page(&config, Some(&calls))).unwrap();
    let lines: Vec<&str> = block.lines().filter(|line| line.starts_with("this.")).collect();
    assert_eq!(
        lines,
        [
            r#"this.alias("42");"#,
            r#"this.identify("42");"#,
            r#"this.people.set({"$email":"a@b.c"});"#,
            r#"this.track("Sign Up", {"ID":"42"});"#,
            r#"this.get_group("company", "acme").set({"Plan":"\u003c/script\u003e"});"#,
        ]
    );
}

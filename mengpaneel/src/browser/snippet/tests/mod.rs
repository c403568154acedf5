use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::browser::snippet::wire::setup_id;
use crate::call::Method;

mod pages;
mod wire;

fn calls(wire: serde_json::Value) -> Calls {
    serde_json::from_value(wire).unwrap()
}

fn signed_out() -> Calls {
    calls(json!({"tracking": [[["track"], ["Sign Out"]], [["reset"], []]]}))
}

fn signed_up() -> Calls {
    calls(json!({
        "before_setup": [[["alias"], ["42"]]],
        "setup": [[["identify"], ["42"]], [["people", "set"], [{"$email": "a@b.c"}]]],
        "tracking": [[["track"], ["Sign Up", {"ID": "42"}]],
                     [["get_group", "set"], ["company", "acme", {"Plan": "</script>"}]]],
    }))
}

/// Page with a snippet.
#[derive(Clone, Copy)]
struct Page<'a> {
    snippet_config: SnippetConfig<'a>,
    calls: Option<&'a Calls>,
    nonce: Option<&'a str>,
}

impl<'a> Page<'a> {
    fn with(self, change: impl FnOnce(&mut SnippetConfig<'a>)) -> Self {
        let mut snippet_config = self.snippet_config;
        change(&mut snippet_config);
        Self {
            snippet_config,
            ..self
        }
    }
}

fn page_view() -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)
}

fn render(page: &Page<'_>) -> Option<String> {
    render_for(Audience::Granted, page)
}

fn render_late(calls: &Calls, nonce: Option<&str>) -> Option<String> {
    let config = json!({});
    Snippet::new(&page(&config, None).snippet_config)
        .render_late(calls, page_view(), nonce)
        .map(|chunks| String::from_utf8(chunks.concat()).unwrap())
}

fn page<'a>(config: &'a Value, calls: Option<&'a Calls>) -> Page<'a> {
    let snippet_config = SnippetConfig {
        token: "T",
        config,
        lib_url: "https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js",
        instance: None,
        loader: Loader::Always,
        ignore_dnt: false,
    };
    Page {
        snippet_config,
        calls,
        nonce: None,
    }
}

#[test]
fn calls_are_rendered_in_order_one_per_line() {
    let (config, calls) = (json!({}), signed_up());
    let snippet = render(&page(&config, Some(&calls))).unwrap();
    let lines: Vec<&str> = snippet
        .lines()
        .filter(|line| line.starts_with("this."))
        .collect();
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

fn render_for(audience: Audience, page: &Page<'_>) -> Option<String> {
    let calls = page.calls.map(|calls| (calls, page_view()));
    let chunks = Snippet::new(&page.snippet_config).render(audience, calls, page.nonce)?;
    Some(String::from_utf8(chunks.concat()).unwrap())
}

#[test]
fn page_config_agrees_with_the_consent_decision() {
    let config = json!({"opt_out_tracking_by_default": true});
    let config_of = |snippet: String| {
        let (_, config) = snippet.rsplit_once("\"T\", ").unwrap();
        serde_json::from_str::<Value>(config.split_once(", \"mengpaneel\"").unwrap().0).unwrap()
    };
    let page = page(&config, None);
    assert_eq!(
        config_of(render_for(Audience::Granted, &page).unwrap()),
        json!({})
    );
    let explicit = config_of(render_for(Audience::GrantedExplicitly, &page).unwrap());
    assert_eq!(explicit, json!({"ignore_dnt": true}));
    let ignoring_dnt = page.with(|snippet_config| snippet_config.ignore_dnt = true);
    assert_eq!(
        config_of(render_for(Audience::Granted, &ignoring_dnt).unwrap()),
        json!({"ignore_dnt": true})
    );
}

#[test]
fn denied_visitor_receives_only_the_silent_stub() {
    let config = json!({});
    let calls = signed_up();
    let denied = render_for(
        Audience::Denied,
        &Page {
            nonce: Some("n"),
            ..page(&config, Some(&calls))
        },
    )
    .unwrap();
    assert!(denied.starts_with("<script nonce=\"n\">\ntry {\n"));
    assert!(denied.contains(SILENT) && !denied.contains(LOADER) && !denied.contains(VISIT));
    assert!(!denied.contains("this.alias"));
    for loader in [Loader::WithCalls, Loader::Never] {
        assert_eq!(
            render_for(
                Audience::Denied,
                &page(&config, None).with(|snippet_config| snippet_config.loader = loader)
            ),
            None
        );
    }
}

#[test]
fn page_without_calls_has_only_the_loader_or_nothing() {
    let config = json!({"api_host": "/mp"});
    let mut page = page(&config, None);
    let loader_only = render(&page).unwrap();
    assert!(loader_only.contains(r#""T", {"api_host":"/mp"}, "mengpaneel")"#));
    assert!(!loader_only.contains("this.alias"));
    for loader in [Loader::WithCalls, Loader::Never] {
        page.snippet_config.loader = loader;
        assert_eq!(render(&page), None);
    }
}

#[test]
fn calls_without_loader_use_the_application_queue() {
    let (config, calls) = (json!({}), signed_up());
    let snippet = render(
        &page(&config, Some(&calls)).with(|snippet_config| snippet_config.loader = Loader::Never),
    )
    .unwrap();
    assert!(!snippet.contains("mixpanel-2-latest"));
    assert!(snippet.contains("own.queue || window.mixpanel || []"));
}

#[test]
fn known_setup_repeats_only_identify_and_events() {
    let (config, calls) = (json!({}), signed_up());
    let snippet = render(&page(&config, Some(&calls))).unwrap();
    let guarded =
        "if (!known) {\ntry {\nthis.people.set({\"$email\":\"a@b.c\"});\n} catch (e) {}\n}\n";
    assert!(snippet.contains(guarded), "{snippet}");
    let id = setup_id(&calls.setup);
    assert!(snippet.contains(&format!("let known = own.knows(\"{id}\");")));
    assert!(snippet.contains(&format!("own.ran(\"{id}\");")));
}

#[test]
fn only_snippets_with_calls_have_a_page_view_id() {
    let (config, calls) = (json!({}), signed_up());
    let page = page(&config, Some(&calls));
    let id = page_view().simple().to_string();
    assert!(
        render(&page)
            .unwrap()
            .contains(&format!("\n}}, \"{id}\");\nmixpanel.push("))
    );
    assert!(
        render_late(&calls, None)
            .unwrap()
            .contains(&format!("\n}}, \"{id}\", 1);\nmixpanel.push("))
    );
    let without_calls = render(&Page {
        calls: None,
        ..page
    })
    .unwrap();
    assert!(
        !without_calls.contains(&id)
            && without_calls.contains("function () {\n});\nmixpanel.push(")
    );
}

#[test]
fn reset_forgets_the_setup() {
    let config = json!({});
    let calls = signed_out();
    let snippet = render(&page(&config, Some(&calls))).unwrap();
    let (reset, forgets) = (snippet.find("this.reset();"), snippet.rfind("own.ran();"));
    assert!(reset.is_some() && reset < forgets, "{snippet}");
}

#[test]
fn second_mengpaneel_has_its_own_instance_name() {
    let (config, calls) = (json!({}), signed_up());
    let snippet = render(
        &page(&config, Some(&calls))
            .with(|snippet_config| snippet_config.instance = Some("billing")),
    )
    .unwrap();
    assert!(snippet.contains(r#")("mengpaneel_billing");"#));
    assert!(snippet.contains(r#"{}, "mengpaneel_billing");"#));
}

#[test]
fn snippets_have_the_nonce() {
    let (config, calls) = (json!({}), signed_up());
    let snippet = render(&Page {
        nonce: Some("a+/b\""),
        ..page(&config, Some(&calls))
    })
    .unwrap();
    assert!(snippet.starts_with("<script nonce=\"a+/b&quot;\">\n"));
    assert!(
        render_late(&calls, Some("n"))
            .unwrap()
            .starts_with("<script nonce=\"n\">\n")
    );
    assert_eq!(render_late(&Calls::default(), None), None);
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        prop::collection::vec(
            prop::sample::select(vec![
                "</script", "<!--", "<script", "-->", "]]>", "&lt;", "\u{2028}", "\u{2029}", "\\",
                "\"", "\n", "\u{7f}", "😀",
            ]),
            0..4
        )
        .prop_map(|chunks| chunks.concat()),
    ];
    let leaf = prop_oneof![
        text.prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn value_never_ends_the_script_or_its_line(value in any_json()) {
        let script = js_value(&value);
        let ends = !script.is_ascii() || script.contains(['<', '>', '&', '\n', '\r']);
        prop_assert!(!ends);
        prop_assert_eq!(serde_json::from_str::<Value>(&script).unwrap(), value);
    }

    #[test]
    fn snippet_is_one_script(args in prop::collection::vec(any_json(), 0..3)) {
        let calls = Calls { tracking: vec![Call::new(Method::Track, args)], ..Calls::default() };
        let config = json!({});
        let snippet = render(&page(&config, Some(&calls))).unwrap();
        prop_assert_eq!(snippet.matches('<').count(), 2 + LOADER.matches('<').count() + VISIT.matches('<').count());
        prop_assert!(snippet.is_ascii());
        prop_assert!(!snippet.contains("<!--"));
        prop_assert_eq!(snippet.matches("</").count(), 1);
    }
}

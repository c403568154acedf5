use proptest::prelude::*;
use serde_json::json;

use super::*;

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

/// One page, and what its block is.
#[derive(Clone, Copy)]
struct Page<'a> {
    common: SnippetConfig<'a>,
    calls: Option<&'a Calls>,
    nonce: Option<&'a str>,
}

impl<'a> Page<'a> {
    fn with(self, change: impl FnOnce(&mut SnippetConfig<'a>)) -> Self {
        let mut common = self.common;
        change(&mut common);
        Self { common, ..self }
    }
}

fn page_view() -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0001)
}

fn block(page: &Page<'_>) -> Option<String> {
    block_for(Audience::Granted, page)
}

fn late_block(calls: &Calls, nonce: Option<&str>) -> Option<String> {
    let config = json!({});
    let block = Snippet::new(&page(&config, None).common);
    block
        .late(calls, page_view(), nonce)
        .map(|block| String::from_utf8(block.concat()).unwrap())
}

fn page<'a>(config: &'a Value, calls: Option<&'a Calls>) -> Page<'a> {
    let common = SnippetConfig {
        token: "T",
        config,
        lib_url: "https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js",
        instance: None,
        loader: Loader::Always,
        ignore_dnt: false,
    };
    Page {
        common,
        calls,
        nonce: None,
    }
}

#[test]
fn calls_stand_in_their_order_one_on_a_line() {
    let (config, calls) = (json!({}), signed_up());
    let block = block(&page(&config, Some(&calls))).unwrap();
    let lines: Vec<&str> = block
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

/// The pages that `js/test/browser.test.mjs` has a real browser run: `BLESS=1` writes them anew.
#[test]
fn the_browsers_test_runs_the_blocks_that_are_written_now() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/browser/snippet/pages");
    let config = json!({"api_host": "/mp", "api_payload_format": "json", "batch_requests": false});
    let calls = signed_up();
    let sign_out = signed_out();
    let served = page(&config, Some(&calls)).with(|common| common.lib_url = "/mixpanel.js");
    let mut stored_in_cookies = config.clone();
    stored_in_cookies["opt_out_tracking_persistence_type"] = "cookie".into();
    let consenting = Page {
        calls: None,
        ..served
    }
    .with(|common| common.config = &stored_in_cookies);
    let billing = consenting.with(|common| {
        common.token = "B";
        common.instance = Some("billing");
    });
    for (name, written) in [
        ("sign_up.html", block(&served)),
        (
            "loader_only.html",
            block(&Page {
                calls: None,
                ..served
            }),
        ),
        (
            "nonce.html",
            block(&Page {
                nonce: Some("n0nce"),
                ..served
            }),
        ),
        (
            "never.html",
            block(&served.with(|common| common.loader = Loader::Never)),
        ),
        ("late.html", late_block(&calls, None)),
        (
            "sign_out.html",
            block(&Page {
                calls: Some(&sign_out),
                ..served
            }),
        ),
        ("silent.html", block_for(Audience::Denied, &consenting)),
        (
            "silent_nonce.html",
            block_for(
                Audience::Denied,
                &Page {
                    nonce: Some("n0nce"),
                    ..consenting
                },
            ),
        ),
        (
            "overruled.html",
            block_for(Audience::GrantedByOverruling, &consenting),
        ),
        (
            "billing_loader.html",
            block(&Page {
                calls: None,
                ..billing
            }),
        ),
        ("billing_silent.html", block_for(Audience::Denied, &billing)),
        (
            "billing.html",
            block(&served.with(|common| common.instance = Some("billing"))),
        ),
    ] {
        let (file, written) = (format!("{folder}/{name}"), written.unwrap());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &written).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            written,
            "{name}: run with BLESS=1"
        );
    }
}

fn block_for(audience: Audience, page: &Page<'_>) -> Option<String> {
    let calls = page.calls.map(|calls| (calls, page_view()));
    let block = Snippet::new(&page.common).of(audience, calls, page.nonce)?;
    Some(String::from_utf8(block.concat()).unwrap())
}

#[test]
fn page_is_told_nothing_that_contradicts_the_decision() {
    let config = json!({"opt_out_tracking_by_default": true});
    let config_of = |block: String| {
        let (_, config) = block.rsplit_once("\"T\", ").unwrap();
        serde_json::from_str::<Value>(config.split_once(", \"mengpaneel\"").unwrap().0).unwrap()
    };
    let common = page(&config, None);
    assert_eq!(
        config_of(block_for(Audience::Granted, &common).unwrap()),
        json!({})
    );
    let explicitly = config_of(block_for(Audience::GrantedExplicitly, &common).unwrap());
    assert_eq!(explicitly, json!({"ignore_dnt": true}));
    let ignoring = common.with(|common| common.ignore_dnt = true);
    assert_eq!(
        config_of(block_for(Audience::Granted, &ignoring).unwrap()),
        json!({"ignore_dnt": true})
    );
}

#[test]
fn visitor_without_consent_gets_the_silent_mixpanel_alone() {
    let config = json!({});
    let calls = signed_up();
    let denied = block_for(
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
            block_for(
                Audience::Denied,
                &page(&config, None).with(|common| common.loader = loader)
            ),
            None
        );
    }
}

#[test]
fn a_page_without_calls_has_the_loader_alone_or_nothing() {
    let config = json!({"api_host": "/mp"});
    let mut page = page(&config, None);
    let block_always = block(&page).unwrap();
    assert!(block_always.contains(r#""T", {"api_host":"/mp"}, "mengpaneel")"#));
    assert!(!block_always.contains("this.alias"));
    for loader in [Loader::WithCalls, Loader::Never] {
        page.common.loader = loader;
        assert_eq!(block(&page), None);
    }
}

#[test]
fn without_a_loader_the_calls_wait_for_the_applications_own() {
    let (config, calls) = (json!({}), signed_up());
    let block =
        block(&page(&config, Some(&calls)).with(|common| common.loader = Loader::Never)).unwrap();
    assert!(!block.contains("mixpanel-2-latest"));
    assert!(block.contains("own.queue || window.mixpanel || []"));
}

#[test]
fn only_what_a_page_forgets_is_repeated_on_every_page() {
    let (config, calls) = (json!({}), signed_up());
    let block = block(&page(&config, Some(&calls))).unwrap();
    let guarded =
        "if (!known) {\ntry {\nthis.people.set({\"$email\":\"a@b.c\"});\n} catch (e) {}\n}\n";
    assert!(block.contains(guarded), "{block}");
    let name = setup_id(&calls.setup);
    assert!(block.contains(&format!("let known = own.knows(\"{name}\");")));
    assert!(block.contains(&format!("own.ran(\"{name}\");")));
}

#[test]
fn only_a_block_with_calls_names_its_page_view() {
    let (config, calls) = (json!({}), signed_up());
    let page = page(&config, Some(&calls));
    let id = page_view().simple().to_string();
    assert!(
        block(&page)
            .unwrap()
            .contains(&format!("\n}}, \"{id}\");\nmixpanel.push("))
    );
    assert!(
        late_block(&calls, None)
            .unwrap()
            .contains(&format!("\n}}, \"{id}\", 1);\nmixpanel.push("))
    );
    let without_calls = block(&Page {
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
fn a_reset_forgets_the_setup() {
    let config = json!({});
    let calls = signed_out();
    let block = block(&page(&config, Some(&calls))).unwrap();
    let (reset, forgets) = (block.find("this.reset();"), block.rfind("own.ran();"));
    assert!(reset.is_some() && reset < forgets, "{block}");
}

#[test]
fn a_second_mengpaneel_has_names_of_its_own() {
    let (config, calls) = (json!({}), signed_up());
    let block =
        block(&page(&config, Some(&calls)).with(|common| common.instance = Some("billing")))
            .unwrap();
    assert!(block.contains(r#")("mengpaneel_billing");"#));
    assert!(block.contains(r#"{}, "mengpaneel_billing");"#));
}

#[test]
fn scripts_carry_the_nonce() {
    let (config, calls) = (json!({}), signed_up());
    let block = block(&Page {
        nonce: Some("a+/b\""),
        ..page(&config, Some(&calls))
    })
    .unwrap();
    assert!(block.starts_with("<script nonce=\"a+/b&quot;\">\n"));
    assert!(
        late_block(&calls, Some("n"))
            .unwrap()
            .starts_with("<script nonce=\"n\">\n")
    );
    assert_eq!(late_block(&Calls::default(), None), None);
}

#[test]
fn the_name_of_a_setup_never_changes() {
    let calls = signed_up();
    assert_eq!(setup_id(&calls.setup), "5d6328c55b917353");
    assert_ne!(setup_id(&calls.setup), setup_id(&calls.setup[..1]));
    assert_eq!(setup_id(&[]).len(), 16);
}

#[test]
fn the_header_leaves_out_a_setup_that_the_client_has() {
    let calls = signed_up();
    assert_eq!(
        header(&calls, false),
        r#"[[["alias"],["42"]],[["track"],["Sign Up",{"ID":"42"}]],[["get_group","set"],["company","acme",{"Plan":"</script>"}]]]"#
    );
    assert!(header(&calls, true).contains(r#"[["identify"],["42"]]"#));
}

#[test]
fn the_header_is_ascii() {
    let calls = calls(json!({"tracking": [[["track"], ["é\u{7f}\n😀"]]]}));
    assert_eq!(
        header(&calls, true),
        r#"[[["track"],["\u00e9\u007f\n\ud83d\ude00"]]]"#
    );
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
        .prop_map(|pieces| pieces.concat()),
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
    fn no_value_ends_the_script_or_its_line(value in any_json()) {
        let written = as_script(&value);
        let ends = !written.is_ascii() || written.contains(['<', '>', '&', '\n', '\r']);
        prop_assert!(!ends);
        prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value);
    }

    #[test]
    fn the_header_is_read_as_it_was_written(args in prop::collection::vec(any_json(), 0..3)) {
        let call = Call::new(Method::Track, args);
        let calls = Calls { tracking: vec![call.clone()], ..Calls::default() };
        let header = header(&calls, true);
        let visible = header.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        prop_assert!(visible);
        prop_assert_eq!(serde_json::from_str::<Vec<Call>>(&header).unwrap(), vec![call]);
    }

    #[test]
    fn a_block_is_one_script(args in prop::collection::vec(any_json(), 0..3)) {
        let calls = Calls { tracking: vec![Call::new(Method::Track, args)], ..Calls::default() };
        let config = json!({});
        let block = block(&page(&config, Some(&calls))).unwrap();
        prop_assert_eq!(block.matches('<').count(), 2 + LOADER.matches('<').count() + VISIT.matches('<').count());
        prop_assert!(block.is_ascii());
        prop_assert!(!block.contains("<!--"));
        prop_assert_eq!(block.matches("</").count(), 1);
    }
}

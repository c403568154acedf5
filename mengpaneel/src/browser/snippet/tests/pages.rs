//! Snippet files that the browser tests of `js/` run.

use serde_json::json;

use super::*;

/// Compares the files that `js/test/browser.test.mjs` runs in a real browser. `BLESS=1` rewrites
/// them.
#[test]
fn browser_test_pages_match_the_rendered_snippets() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/browser/snippet/pages");
    let config = json!({"api_host": "/mp", "api_payload_format": "json", "batch_requests": false});
    let calls = signed_up();
    let sign_out = signed_out();
    let served =
        page(&config, Some(&calls)).with(|snippet_config| snippet_config.lib_url = "/mixpanel.js");
    let mut stored_in_cookies = config.clone();
    stored_in_cookies["opt_out_tracking_persistence_type"] = "cookie".into();
    let consenting = Page {
        calls: None,
        ..served
    }
    .with(|snippet_config| snippet_config.config = &stored_in_cookies);
    let billing = consenting.with(|snippet_config| {
        snippet_config.token = "B";
        snippet_config.instance = Some("billing");
    });
    for (name, rendered) in [
        ("sign_up.html", render(&served)),
        (
            "loader_only.html",
            render(&Page {
                calls: None,
                ..served
            }),
        ),
        (
            "nonce.html",
            render(&Page {
                nonce: Some("n0nce"),
                ..served
            }),
        ),
        (
            "never.html",
            render(&served.with(|snippet_config| snippet_config.loader = Loader::Never)),
        ),
        ("late.html", render_late(&calls, None)),
        (
            "sign_out.html",
            render(&Page {
                calls: Some(&sign_out),
                ..served
            }),
        ),
        ("silent.html", render_for(Audience::Denied, &consenting)),
        (
            "silent_nonce.html",
            render_for(
                Audience::Denied,
                &Page {
                    nonce: Some("n0nce"),
                    ..consenting
                },
            ),
        ),
        (
            "overruled.html",
            render_for(Audience::GrantedByOverruling, &consenting),
        ),
        (
            "billing_loader.html",
            render(&Page {
                calls: None,
                ..billing
            }),
        ),
        (
            "billing_silent.html",
            render_for(Audience::Denied, &billing),
        ),
        (
            "billing.html",
            render(&served.with(|snippet_config| snippet_config.instance = Some("billing"))),
        ),
    ] {
        let (file, rendered) = (format!("{folder}/{name}"), rendered.unwrap());
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &rendered).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            rendered,
            "{name}: run with BLESS=1"
        );
    }
}

use serde_json::json;

use super::*;

#[test]
fn tracking_is_disabled_without_a_token() {
    for token in [
        Token::from(""),
        Token::from(" "),
        Token::from(None::<&str>),
        Token::from(Err::<String, _>(())),
    ] {
        assert!(!Mengpaneel::builder(token).build().unwrap().is_enabled());
    }
    assert!(Mengpaneel::builder(Some("t")).build().unwrap().is_enabled());
}

#[test]
fn build_error_names_the_invalid_option() {
    let error = |builder: Builder| builder.build().unwrap_err().to_string();
    let builder = || Mengpaneel::builder("t");
    assert!(error(builder().name("Ünicode")).contains("cannot be a name"));
    assert!(error(builder().js_config(json!(1))).contains("js_config"));
    assert!(error(builder().api_host("nowhere")).contains("api_host"));
    assert!(error(builder().lib_url("javascript:1")).contains("lib_url"));
    let no_cookie = builder()
        .set_device_cookie(true)
        .js_config(json!({"persistence": "localStorage"}));
    assert!(error(no_cookie).contains("set_device_cookie"));
    assert!(error(builder().trusted_proxies(["10.0.0"])).contains("trusted_proxies"));
}

#[test]
fn outbox_without_a_consumer_is_rejected() {
    for (builder, problem) in [
        (
            Mengpaneel::builder("t"),
            "the outbox in memory ends with this process",
        ),
        (
            Mengpaneel::builder(""),
            "the outbox in memory ends with this process",
        ),
        (
            Mengpaneel::builder("t").outbox(Arc::new(Memory::default()) as Arc<dyn Outbox>),
            "the outbox in memory",
        ),
        (Mengpaneel::builder("t").no_outbox(), "there is no outbox"),
    ] {
        let error = builder.concurrency(0).build().unwrap_err().to_string();
        assert!(
            error.starts_with("concurrency(0)")
                && error.contains(problem)
                && error.contains("`Redis`"),
            "{error}"
        );
    }
}

#[test]
fn public_credentials_are_rejected_and_not_shown() {
    let builder = || Mengpaneel::builder("t");
    for builder in [
        builder().js_api_host("https://user:s3cret@proxy.example"),
        builder().js_api_host("//s3cret@proxy.example/mp"),
        builder().js_api_host("http:\\\\user:s3cret@proxy.example"),
        builder().lib_url("https://user:s3cret@cdn.example/mixpanel.js"),
        builder().js_config(json!({"api_host": "https://user:s3cret@proxy.example"})),
        builder().js_config(json!({"api_hosts": {"flags": "//user:s3cret@proxy.example"}})),
        builder().api_host("https://user:s3cret@proxy.example"),
    ] {
        let shown = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        let shown = format!("{shown} {error} {error:?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("user name"), "{shown}");
    }
    let account = builder()
        .service_account("me", "s3cret", "7")
        .cookie_key(Key::from(&[b's'; 64]));
    assert!(!format!("{account:?}").contains("s3cret"));
    assert!(
        builder()
            .js_api_host("/mp?to=a@b")
            .lib_url("https://cdn.example/@1/m.js")
            .build()
            .is_ok()
    );
}

#[test]
fn js_config_overrides_the_defaults() {
    let builder =
        Mengpaneel::builder("t").js_config(json!({"api_payload_format": "base64", "debug": true}));
    let config = builder.page_config().unwrap();
    assert_eq!(config["api_payload_format"], "base64");
    assert_eq!(config["debug"], true);
    assert_eq!(config["opt_out_tracking_persistence_type"], "cookie");
}

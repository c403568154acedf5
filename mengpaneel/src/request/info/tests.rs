use actix_web::test::TestRequest;
use serde_json::json;

use super::*;
use crate::error::setup_mistake::SetupMistakes;
use crate::settings::consent::ConsentPolicy;
use crate::settings::cookies::CookieAttributes;
use crate::settings::cookies::CookieNames;
use crate::settings::proxies::{ProxyHeaders, TrustedProxies};
use crate::settings::{KeyNames, Loader, PageSettings};

fn settings(trusted: &[&str]) -> Settings {
    let config = json!({}).as_object().cloned().unwrap_or_default();
    let proxies: Vec<String> = trusted.iter().map(|proxy| (*proxy).to_owned()).collect();
    Settings {
        token: "t".into(),
        names: KeyNames::new(None).unwrap(),
        cookies: CookieNames::new("t", &config),
        page: PageSettings {
            loader: Loader::Always,
            lib_url: String::new(),
            config: json!({}),
        },
        device_cookie: None,
        max_header_bytes: 4096,
        inject_into_streams: false,
        consent: ConsentPolicy::default(),
        sends_ip: true,
        omitted: None,
        cookie_attributes: CookieAttributes::default(),
        trusted_proxies: TrustedProxies::new(&proxies, ProxyHeaders::default()).unwrap(),
        fallback_after: std::time::Duration::from_secs(300),
        mistakes: SetupMistakes::default(),
    }
}

fn info(request: TestRequest) -> RequestInfo {
    RequestInfo::new(
        &request
            .insert_header(("host", "blog.example"))
            .to_http_request(),
        &settings(&[]),
    )
}

fn get(headers: &[(&str, &str)]) -> RequestInfo {
    info(
        headers
            .iter()
            .fold(TestRequest::get().uri("/a/b?c"), |request, header| {
                request.insert_header(*header)
            }),
    )
}

#[test]
fn origin_hidden_by_a_proxy_is_detected() {
    for (origin, site, expected) in [
        ("https://public.example", "same-origin", true),
        ("http://blog.example:8080", "same-origin", true),
        ("http://blog.example", "same-origin", false),
        ("https://blog.example", "same-origin", false),
        ("https://public.example", "cross-site", false),
        ("https://public.example", "same-site", false),
        ("null", "same-origin", false),
        ("", "same-origin", false),
    ] {
        let info = get(&[("origin", origin), ("sec-fetch-site", site)]);
        assert_eq!(info.is_origin_hidden, expected, "{origin} {site}");
    }
    assert!(!get(&[("origin", "https://public.example")]).is_origin_hidden);
}

#[test]
fn shown_page_can_replay() {
    assert!(get(&[("sec-fetch-mode", "navigate")]).can_replay());
    assert!(get(&[("accept", "text/html,*/*")]).can_replay());
    assert!(
        get(&[
            ("sec-fetch-mode", "navigate"),
            ("sec-purpose", "prefetch;prerender")
        ])
        .can_replay()
    );
}

#[test]
fn response_without_a_reader_replays_nothing() {
    assert!(!get(&[("accept", "image/avif,*/*")]).can_replay());
    assert!(!get(&[("sec-fetch-mode", "navigate"), ("sec-purpose", "prefetch")]).can_replay());
    assert!(!get(&[("accept", "text/html"), ("x-pjax", "true")]).can_replay());
    assert!(!get(&[("accept", "text/html"), ("origin", "http://evil.example")]).can_replay());
    let head = TestRequest::default()
        .method(Method::HEAD)
        .insert_header(("accept", "text/html"));
    assert!(!info(head).can_replay());
}

#[test]
fn capable_header_is_true_or_1() {
    for (value, capable) in [
        ("true", true),
        ("1", true),
        (" 1 ", true),
        ("true, true", true),
        ("1,true", true),
        ("True", false),
        ("yes", false),
        ("", false),
        (",", false),
        ("true, false", false),
    ] {
        assert_eq!(
            get(&[("x-mengpaneel-flush-capable", value)]).is_capable,
            capable,
            "{value}"
        );
    }
    let twice = TestRequest::get().append_header(("x-mengpaneel-flush-capable", "true"));
    assert!(info(twice.append_header(("x-mengpaneel-flush-capable", "true"))).is_capable);
}

#[test]
fn setup_sent_by_two_scripts_counts_once() {
    let setup_id = |value| get(&[("x-mengpaneel-setup", value)]).setup_id;
    assert_eq!(
        setup_id("9f86d081884c7d65, 9f86d081884c7d65").as_deref(),
        Some("9f86d081884c7d65")
    );
    assert_eq!(setup_id("9f86, 884c").as_deref(), Some("9f86, 884c"));
}

/// Sends bytes outside of ASCII in every header that a client chooses.
#[test]
fn bytes_outside_ascii_hide_no_other_header() {
    let bytes = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap();
    let sent: [(&str, &[u8]); 8] = [
        ("accept", b"text/html;caf\xE9=1"),
        ("accept-language", b"\xFF"),
        ("user-agent", b"Mozilla \xE9"),
        ("referer", b"http://blog.example/caf\xC3\xA9"),
        ("x-requested-with", b"\xFF"),
        ("x-custom", b"\xFF"),
        ("purpose", b"\xFF"),
        (
            "cookie",
            b"city=M\xFCnchen; mp_t_mixpanel=%7B%22distinct_id%22%3A%2242%22%7D",
        ),
    ];
    let request = sent
        .iter()
        .fold(TestRequest::get(), |request, (name, value)| {
            request.insert_header((
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                bytes(value),
            ))
        });
    let (info, settings) = (info(request), settings(&[]));
    assert!(info.can_replay());
    let visitor = info.visitor(&settings.cookies, false);
    assert_eq!(visitor.browser().current_id(), Some("42"));
    assert_eq!(visitor.user_agent.as_deref(), Some("Mozilla é"));
    assert_eq!(
        visitor.referrer.as_deref(),
        Some("http://blog.example/café")
    );
}

#[test]
fn bytes_before_a_proxy_entry_do_not_hide_it() {
    let forwarded = HeaderValue::from_bytes(b"\xFF\xE9, 203.0.113.7").unwrap();
    let request = TestRequest::get()
        .peer_addr("10.0.0.1:9".parse().unwrap())
        .insert_header(("host", "inner"))
        .insert_header(("x-forwarded-for", forwarded));
    let settings = settings(&["10.0.0.0/8"]);
    let visitor =
        RequestInfo::new(&request.to_http_request(), &settings).visitor(&settings.cookies, false);
    assert_eq!(visitor.ip.as_deref(), Some("203.0.113.7"));
}

#[test]
fn location_is_resolved_as_in_a_browser() {
    let info = get(&[]);
    for same in [
        "/",
        "posts/1",
        "?x",
        "http://blog.example/x",
        "https://blog.example/",
        "//blog.example/",
    ] {
        assert!(info.is_same_origin(same), "{same}");
    }
    for other in [
        "//evil.example/",
        "http://blog.example:81/",
        "https://blog.example:444/",
        "/\\evil.example",
        "mailto:a",
    ] {
        assert!(!info.is_same_origin(other), "{other}");
    }
}

#[test]
fn origin_header_detects_cross_origin_scripts() {
    assert!(!get(&[]).is_cross_origin);
    assert!(!get(&[("origin", "http://blog.example")]).is_cross_origin);
    assert!(get(&[("origin", "http://evil.example")]).is_cross_origin);
    assert!(get(&[("origin", "null")]).is_cross_origin);
}

#[test]
fn proxy_headers_count_only_from_trusted_proxies() {
    let request = || {
        TestRequest::get()
            .uri("/x")
            .peer_addr("10.0.0.1:9".parse().unwrap())
            .insert_header(("host", "inner"))
            .insert_header(("x-forwarded-host", "blog.example"))
            .insert_header(("x-forwarded-proto", "https"))
            .insert_header(("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.2"))
            .to_http_request()
    };
    let visitor = |settings: &Settings| {
        RequestInfo::new(&request(), settings).visitor(&settings.cookies, false)
    };
    let trusted = visitor(&settings(&["10.0.0.0/8"]));
    assert_eq!(trusted.ip.as_deref(), Some("203.0.113.7"));
    assert_eq!(trusted.url.as_deref(), Some("https://blog.example/x"));
    let untrusted = visitor(&settings(&[]));
    assert_eq!(untrusted.ip.as_deref(), Some("10.0.0.1"));
    assert_eq!(untrusted.url.as_deref(), Some("http://inner/x"));
}

/// Turbo sends its own header, since scripts may not set `Sec-Purpose`.
#[test]
fn prefetch_by_a_script_replays_nothing() {
    let capable = ("x-mengpaneel-flush-capable", "true");
    assert!(get(&[capable]).can_replay());
    assert!(!get(&[capable, ("x-sec-purpose", "prefetch")]).can_replay());
}

use proptest::prelude::*;

use super::*;

const FUTURE: &str = "Thu, 01 Jan 2099 00:00:00 GMT";
const PAST: &str = "Tue, 15 Nov 1994 12:45:26 GMT";

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(
            name.parse().unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    headers
}

fn is_shared(lines: &[(&str, &str)]) -> bool {
    may_be_shared(&headers(lines))
}

#[test]
fn page_without_caching_headers_is_not_shared() {
    assert!(!is_shared(&[]));
    assert!(!is_shared(&[
        ("content-type", "text/html"),
        ("vary", "*"),
        ("x-cache", "public")
    ]));
}

#[test]
fn only_private_and_no_store_forbid_shared_caches() {
    for private in [
        "private",
        "no-store",
        "max-age=0, Private",
        "PRIVATE,max-age=600",
        "\tno-store\t, no-cache",
        "private, ext=\"public, s-maxage=1\"",
        "private, ext=\"a\\\"b, public\"",
        "no-store, max-age=60",
        ", ,private",
        "private, must-understand, no-store",
    ] {
        assert!(!is_shared(&[("cache-control", private)]), "{private}");
    }
    for shared in [
        "",
        ",",
        "public",
        "max-age=60",
        "no-cache",
        "s-maxage=1, private",
        "S-MAXAGE = 1, private",
        "private, public",
        "no-store, must-understand",
        "must-understand, max-age=60, no-store",
        "private=\"Set-Cookie\"",
        "private=\"Set-Cookie\", max-age=600",
        "private = \"a, b\"",
        "no-cache=\"Set-Cookie\"",
        "private=",
        "private;x",
        "ext=\"a, private, b\"",
        "ext=\"\\\", private, \\\"\"",
        "ext=\"open, private",
        "privately",
        "not-private",
        "immutable",
        "priv\u{e4}te",
        "private, n\u{e4}",
    ] {
        assert!(is_shared(&[("cache-control", shared)]), "{shared}");
    }
}

#[test]
fn each_line_of_a_header_counts() {
    assert!(!is_shared(&[
        ("cache-control", "max-age=600"),
        ("cache-control", "private")
    ]));
    assert!(is_shared(&[
        ("cache-control", "private"),
        ("cache-control", "public")
    ]));
    assert!(is_shared(&[
        ("x-accel-expires", "0"),
        ("x-accel-expires", "300")
    ]));
    assert!(is_shared(&[("expires", PAST), ("expires", FUTURE)]));
}

#[test]
fn each_header_ending_in_cache_control_counts() {
    for name in [
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "vercel-cdn-cache-control",
        "netlify-cdn-cache-control",
        "akamai-cache-control",
        "x-litespeed-cache-control",
        "example-cache-control",
    ] {
        for value in [
            "max-age=60",
            "public",
            "",
            "shared, private",
            "private=\"a\"",
        ] {
            assert!(
                is_shared(&[("cache-control", "private"), (name, value)]),
                "{name}: {value}"
            );
        }
        for value in ["private", "no-store", "No-Store, max-age=0"] {
            assert!(
                !is_shared(&[("cache-control", "private"), (name, value)]),
                "{name}: {value}"
            );
            assert!(!is_shared(&[(name, value)]), "{name}: {value}");
            assert!(
                is_shared(&[("cache-control", "max-age=60"), (name, value)]),
                "{name}: {value}"
            );
        }
    }
}

#[test]
fn vendor_headers_count_as_documented() {
    for (name, value) in [
        ("surrogate-control", "max-age=60"),
        ("surrogate-control", "private"),
        ("surrogate-control", "no-store;cdn"),
        ("surrogate-control", "no-store-remote"),
        ("surrogate-control", "content=\"ESI/1.0\""),
        ("surrogate-control", "no-store, max-age=60"),
        ("edge-control", "cache-maxage=7d"),
        ("edge-control", "!no-store, max-age=60"),
        ("edge-control", "no-store, !no-store"),
        ("edge-control", "downstream-ttl=5m"),
        ("x-accel-expires", "300"),
        ("x-accel-expires", "1"),
        ("x-accel-expires", "-1"),
        ("x-accel-expires", "+0"),
        ("x-accel-expires", "@0"),
        ("x-accel-expires", "@1"),
        ("x-accel-expires", "@4000000000"),
        ("x-accel-expires", ""),
        ("x-accel-expires", "0s"),
        ("x-accel-expires", "\u{e4}"),
        ("x-reverse-proxy-ttl", "60"),
        ("x-vc-ttl", "60"),
    ] {
        assert!(
            is_shared(&[("cache-control", "private"), (name, value)]),
            "{name}: {value}"
        );
    }
    for (name, value) in [
        ("surrogate-control", "no-store"),
        ("surrogate-control", "No-Store, content=\"ESI/1.0\""),
        ("edge-control", "no-store"),
        ("edge-control", "Bypass-Cache, dca=esi"),
        ("x-accel-expires", "0"),
        ("x-accel-expires", " 00 "),
        ("x-accel-expires", "Off"),
        ("x-reverse-proxy-ttl", "0"),
        ("x-vc-ttl", "0"),
    ] {
        assert!(
            !is_shared(&[("cache-control", "private"), (name, value)]),
            "{name}: {value}"
        );
        assert!(!is_shared(&[(name, value)]), "{name}: {value}");
    }
}

#[test]
fn expires_counts_unless_cache_control_overrides_it() {
    assert!(is_shared(&[("expires", FUTURE)]));
    assert!(is_shared(&[
        ("expires", FUTURE),
        ("cdn-cache-control", "private")
    ]));
    assert!(is_shared(&[("expires", "\u{e4}")]));
    assert!(!is_shared(&[
        ("expires", FUTURE),
        ("cache-control", "private")
    ]));
    // Seen in nginx 1.22, where `Expires` comes first.
    assert!(is_shared(&[
        ("expires", FUTURE),
        ("x-accel-expires", "off"),
        ("cache-control", "private")
    ]));
    assert!(!is_shared(&[
        ("expires", PAST),
        ("x-accel-expires", "off"),
        ("cache-control", "private")
    ]));
    for past in [PAST, "0", "-1", "", "soon"] {
        assert!(!is_shared(&[("expires", past)]), "{past}");
    }
}

#[test]
fn drop_validators_removes_all_body_headers() {
    let mut headers = headers(&[("vary", "accept"), ("expires", PAST)]);
    let len = headers.len();
    for name in &BODY_HEADERS {
        headers.append(name.clone(), HeaderValue::from_static("x"));
    }
    drop_validators(&mut headers);
    assert_eq!(headers.len(), len);
}

/// Models of caches for a response that has passed `make_private`. They follow the documentation
/// and sources of the caches, and use nothing of the tested module.
mod caches {
    pub(crate) struct Response(pub Vec<(String, String)>);

    impl Response {
        fn lines(&self, name: &str) -> impl Iterator<Item = String> {
            let name = name.to_owned();
            self.0
                .iter()
                .filter(move |(known, _)| *known == name)
                .map(|(_, value)| value.to_ascii_lowercase())
        }

        fn words(&self, name: &str) -> Vec<String> {
            let joined = self.lines(name).collect::<Vec<_>>().join(",");
            joined
                .split([',', ' ', '\t'])
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        }

        fn has_word(&self, name: &str, word: &str) -> bool {
            self.words(name).iter().any(|known| known == word)
        }

        /// Cache of RFC 9111, section 3, that knows every status and stores every response that it
        /// may.
        fn may_be_stored_by_rfc_9111(&self, name: &str) -> bool {
            let forbids =
                self.has_word(name, "no-store") && !self.has_word(name, "must-understand");
            !forbids && !self.has_word(name, "private")
        }

        /// Cache of nginx with `proxy_cache_valid any`. `ngx_http_upstream_process_accel_expires`
        /// runs first.
        fn may_be_stored_by_nginx(&self) -> bool {
            match self.lines("x-accel-expires").last().as_deref() {
                Some("0") => return false,
                Some(value) if value.trim_start_matches('@').parse::<u32>().is_ok() => return true,
                _ => {}
            }
            let value = self.lines("cache-control").collect::<Vec<_>>().join(", ");
            !["no-cache", "no-store", "private"]
                .iter()
                .any(|word| value.contains(word))
        }

        /// CDN that prefers its own headers: only the first one that is present counts.
        fn may_be_stored_by_cdn(&self, names: &[&str]) -> bool {
            names
                .iter()
                .find(|name| self.lines(name).next().is_some())
                .is_some_and(|name| {
                    let forbids = ["no-store", "private", "bypass-cache"]
                        .iter()
                        .any(|word| self.has_word(name, word));
                    !forbids || (*name == "edge-control" && self.has_word(name, "!no-store"))
                })
        }

        pub(crate) fn may_be_stored(&self) -> bool {
            self.may_be_stored_by_rfc_9111("cache-control")
                || self.may_be_stored_by_nginx()
                || self.may_be_stored_by_cdn(&["surrogate-control"])
                || self.may_be_stored_by_cdn(&["edge-control"])
                || self.may_be_stored_by_cdn(&["cloudflare-cdn-cache-control", "cdn-cache-control"])
                || self.may_be_stored_by_cdn(&["netlify-cdn-cache-control", "cdn-cache-control"])
                || self.may_be_stored_by_cdn(&["x-litespeed-cache-control"])
        }
    }
}

fn any_headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop::sample::select(vec![
        "cache-control",
        "cdn-cache-control",
        "cloudflare-cdn-cache-control",
        "netlify-cdn-cache-control",
        "x-litespeed-cache-control",
        "surrogate-control",
        "edge-control",
    ]);
    let word = prop::sample::select(vec![
        "private",
        "Private",
        "no-store",
        "NO-STORE",
        "no-cache",
        "public",
        "max-age=60",
        "s-maxage=60",
        "must-understand",
        "private=\"set-cookie\"",
        "no-cache=\"set-cookie\"",
        "ext=\"private\"",
        "bypass-cache",
        "!no-store",
        "",
    ]);
    let directives = (name, prop::collection::vec(word, 0..4))
        .prop_map(|(name, words)| (name, words.join(", ")));
    let accel = prop::sample::select(vec!["0", "off", "300", "@4000000000", "@1", "x"]);
    let expires = prop::sample::select(vec![FUTURE, PAST, "0"]);
    let line = prop_oneof![
        6 => directives,
        1 => accel.prop_map(|value| ("x-accel-expires", value.to_owned())),
        1 => expires.prop_map(|value| ("expires", value.to_owned())),
    ];
    prop::collection::vec(
        line.prop_map(|(name, value)| (name.to_owned(), value)),
        0..4,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_cache_may_store_an_unshared_page(lines in any_headers()) {
        let borrowed: Vec<(&str, &str)> = lines.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut headers = headers(&borrowed);
        if !may_be_shared(&headers) {
            make_private(&mut headers);
            let lines_after = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
            prop_assert!(!caches::Response(lines_after.collect()).may_be_stored(), "{lines:?}");
        }
    }
}

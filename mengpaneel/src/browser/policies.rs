//! Policies of a response that stop the scripts of a page: the one place that judges all
//! policies together. Policies that only report stop nothing. Each rule was seen in Chromium 156.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderName};
use url::{Host, Url};

use crate::browser::csp;
use crate::browser::csp::{CspResult, Obstacle, Requirements};
use crate::request::headers;

static EMBEDDER_POLICY: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
static ISOLATION_POLICY: HeaderName = HeaderName::from_static("document-isolation-policy");
static INTEGRITY_POLICY: HeaderName = HeaderName::from_static("integrity-policy");

/// Returns whether there is anything to judge, which needs the page's URL. For most pages there is
/// not.
pub(crate) fn has_any(headers: &HeaderMap, declared: &[String], needs: &Requirements<'_>) -> bool {
    let is_insecure = |url: &str| {
        url.get(..5)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"))
    };
    !declared.is_empty()
        || [
            &CONTENT_SECURITY_POLICY,
            &EMBEDDER_POLICY,
            &ISOLATION_POLICY,
            &INTEGRITY_POLICY,
        ]
        .iter()
        .any(|name| headers.contains_key(*name))
        || [needs.script, needs.connect]
            .into_iter()
            .flatten()
            .any(is_insecure)
}

/// Judges the policies of a response, and those that the page itself declares in `meta` tags.
pub(crate) fn judge(
    headers: &HeaderMap,
    declared: &[String],
    needs: &Requirements<'_>,
) -> CspResult {
    match stopped(headers, declared, needs) {
        Some(obstacle) => CspResult::Forbidden(obstacle),
        None => csp::check(headers, declared, needs),
    }
}

/// Returns the policy that stops mixpanel-js, apart from a Content-Security-Policy.
fn stopped(headers: &HeaderMap, declared: &[String], needs: &Requirements<'_>) -> Option<Obstacle> {
    let page = needs.page()?;
    let insecure = [needs.script, needs.connect]
        .into_iter()
        .flatten()
        .find(|url| is_mixed_content(&page, url));
    if let Some(url) = insecure
        && !upgrades(headers, declared)
    {
        return Some(Obstacle::MixedContent(url.to_owned()));
    }
    let script = needs.script?;
    if blocks_scripts(headers) {
        return Some(Obstacle::Integrity);
    }
    let is_own = page
        .join(script)
        .is_ok_and(|url| url.origin() == page.origin());
    if is_own {
        return None;
    }
    // Mixpanel's CDN answers without CORS headers (mixpanel/mixpanel-js#66), so that `crossorigin`
    // on the script would not help.
    if requires(headers, &EMBEDDER_POLICY, "require-corp") {
        return Some(Obstacle::Isolation("Cross-Origin-Embedder-Policy"));
    }
    requires(headers, &ISOLATION_POLICY, "isolate-and-require-corp")
        .then_some(Obstacle::Isolation("Document-Isolation-Policy"))
}

/// Returns whether a header has this value, parameters aside.
fn requires(headers: &HeaderMap, name: &HeaderName, value: &str) -> bool {
    headers::list(headers.get_all(name)).any(|item| {
        item.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case(value)
    })
}

/// Returns whether `Integrity-Policy` blocks scripts without integrity metadata:
/// `blocked-destinations=(script style)`. A script that is inserted by another has none.
fn blocks_scripts(headers: &HeaderMap) -> bool {
    headers.get_all(&INTEGRITY_POLICY).any(|value| {
        let policy = headers::text(value).to_ascii_lowercase();
        let Some((_, rest)) = policy.split_once("blocked-destinations") else {
            return false;
        };
        let inside = rest.split(')').next().unwrap_or_default();
        inside
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|destination| destination == "script")
    })
}

/// Returns whether a page of `https:` would use a URL of `http:`, which browsers block unless it is
/// this machine's: <https://www.w3.org/TR/mixed-content/>.
fn is_mixed_content(page: &Url, url: &str) -> bool {
    let Ok(url) = page.join(url) else {
        return false;
    };
    let is_this_machine = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    page.scheme() == "https" && url.scheme() == "http" && !is_this_machine
}

/// Returns whether the browser asks for `https:` in the place of `http:`.
fn upgrades(headers: &HeaderMap, declared: &[String]) -> bool {
    let says = |policy: &str| {
        policy
            .to_ascii_lowercase()
            .contains("upgrade-insecure-requests")
    };
    declared.iter().any(|policy| says(policy))
        || headers
            .get_all(CONTENT_SECURITY_POLICY)
            .any(|policy| says(&headers::text(policy)))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const NEEDS: Requirements<'static> = Requirements {
        origin: Some("https://app.example.com"),
        script: Some("https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js"),
        connect: Some("https://api-js.mixpanel.com"),
    };

    fn verdict(sent: &[(&'static str, &str)], needs: &Requirements<'_>) -> CspResult {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        judge(&headers, &[], needs)
    }

    #[test]
    fn isolation_blocks_the_library_of_another_origin() {
        let (coep, dip) = ("cross-origin-embedder-policy", "document-isolation-policy");
        for (name, value) in [
            (coep, "require-corp"),
            (coep, "require-corp; report-to=\"x\""),
            (dip, "isolate-and-require-corp"),
        ] {
            let forbidden = verdict(&[(name, value)], &NEEDS);
            assert!(
                matches!(forbidden, CspResult::Forbidden(Obstacle::Isolation(_))),
                "{name}: {value}"
            );
            for script in [
                Some("/mixpanel.js"),
                Some("https://app.example.com/mixpanel.js"),
                None,
            ] {
                let needs = Requirements { script, ..NEEDS };
                assert_eq!(
                    verdict(&[(name, value)], &needs),
                    CspResult::Allowed,
                    "{name}: {value} {script:?}"
                );
            }
        }
        for sent in [
            (coep, "credentialless"),
            (coep, "unsafe-none"),
            (dip, "isolate-and-credentialless"),
            ("cross-origin-embedder-policy-report-only", "require-corp"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(verdict(&[sent], &NEEDS), CspResult::Allowed, "{sent:?}");
        }
    }

    #[test]
    fn integrity_policy_blocks_the_loader() {
        for value in [
            "blocked-destinations=(script)",
            "blocked-destinations=(style script), endpoints=(x)",
        ] {
            let forbidden = CspResult::Forbidden(Obstacle::Integrity);
            assert_eq!(
                verdict(&[("integrity-policy", value)], &NEEDS),
                forbidden,
                "{value}"
            );
            let own = Requirements {
                script: Some("/mixpanel.js"),
                ..NEEDS
            };
            assert_eq!(
                verdict(&[("integrity-policy", value)], &own),
                forbidden,
                "{value}"
            );
            let loaded = Requirements {
                script: None,
                ..NEEDS
            };
            assert_eq!(
                verdict(&[("integrity-policy", value)], &loaded),
                CspResult::Allowed,
                "{value}"
            );
            assert_eq!(
                verdict(&[("integrity-policy-report-only", value)], &NEEDS),
                CspResult::Allowed,
                "{value}"
            );
        }
        for value in ["blocked-destinations=(style)", "endpoints=(script)", ""] {
            assert_eq!(
                verdict(&[("integrity-policy", value)], &NEEDS),
                CspResult::Allowed,
                "{value}"
            );
        }
    }

    #[test]
    fn page_of_https_loads_nothing_from_http() {
        let insecure = Requirements {
            connect: Some("http://mp.example"),
            ..NEEDS
        };
        let forbidden = CspResult::Forbidden(Obstacle::MixedContent("http://mp.example".into()));
        assert_eq!(verdict(&[], &insecure), forbidden);
        let upgrade = ("content-security-policy", "upgrade-insecure-requests");
        assert_eq!(verdict(&[upgrade], &insecure), CspResult::Allowed);
        let script = Requirements {
            script: Some("http://mp.example/mixpanel.js"),
            ..NEEDS
        };
        assert!(matches!(
            verdict(&[], &script),
            CspResult::Forbidden(Obstacle::MixedContent(_))
        ));
        for here in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
            "/mp",
            "//mp.example",
        ] {
            assert_eq!(
                verdict(
                    &[],
                    &Requirements {
                        connect: Some(here),
                        ..NEEDS
                    }
                ),
                CspResult::Allowed,
                "{here}"
            );
        }
        let plain = Requirements {
            origin: Some("http://app.example.com"),
            ..insecure
        };
        assert_eq!(verdict(&[], &plain), CspResult::Allowed);
    }
}

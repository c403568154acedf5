//! Check of all response policies that can block the scripts of a page. Report-only policies block
//! nothing. Each rule was observed in Chromium 156.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderMap, HeaderName};
use url::{Host, Url};

use crate::browser::csp;
use crate::browser::csp::{CspResult, Obstacle, Requirements};
use crate::request::headers;

static EMBEDDER_POLICY: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
static ISOLATION_POLICY: HeaderName = HeaderName::from_static("document-isolation-policy");
static INTEGRITY_POLICY: HeaderName = HeaderName::from_static("integrity-policy");

/// Returns whether there is any policy to check, which requires the page's URL. Most pages have
/// none.
pub(crate) fn has_any(
    headers: &HeaderMap,
    declared: &[String],
    requirements: &Requirements<'_>,
) -> bool {
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
        || [requirements.script, requirements.connect]
            .into_iter()
            .flatten()
            .any(is_insecure)
}

/// Checks the policies of a response, and those that the page itself declares in `meta` tags.
pub(crate) fn check(
    headers: &HeaderMap,
    declared: &[String],
    requirements: &Requirements<'_>,
) -> CspResult {
    match other_obstacle(headers, declared, requirements) {
        Some(obstacle) => CspResult::Forbidden(obstacle),
        None => csp::check(headers, declared, requirements),
    }
}

/// Returns the policy that blocks mixpanel-js, apart from a Content-Security-Policy. `None` if
/// there is no such policy.
fn other_obstacle(
    headers: &HeaderMap,
    declared: &[String],
    requirements: &Requirements<'_>,
) -> Option<Obstacle> {
    let page = requirements.page()?;
    let insecure = [requirements.script, requirements.connect]
        .into_iter()
        .flatten()
        .find(|url| is_mixed_content(&page, url));
    if let Some(url) = insecure
        && !upgrades_insecure_requests(headers, declared)
    {
        return Some(Obstacle::MixedContent(url.to_owned()));
    }
    let script = requirements.script?;
    if blocks_scripts(headers) {
        return Some(Obstacle::Integrity);
    }
    let is_same_origin = page
        .join(script)
        .is_ok_and(|url| url.origin() == page.origin());
    if is_same_origin {
        return None;
    }
    // `crossorigin` on the script would not help: Mixpanel's CDN sends no CORS headers
    // (mixpanel/mixpanel-js#66).
    if has_value(headers, &EMBEDDER_POLICY, "require-corp") {
        return Some(Obstacle::Isolation("Cross-Origin-Embedder-Policy"));
    }
    has_value(headers, &ISOLATION_POLICY, "isolate-and-require-corp")
        .then_some(Obstacle::Isolation("Document-Isolation-Policy"))
}

/// Returns whether a header has this value, without regard to parameters.
fn has_value(headers: &HeaderMap, name: &HeaderName, value: &str) -> bool {
    headers::list(headers.get_all(name)).any(|item| {
        item.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .eq_ignore_ascii_case(value)
    })
}

/// Returns whether `Integrity-Policy` blocks scripts without integrity metadata:
/// `blocked-destinations=(script style)`. The loader inserts mixpanel-js without such metadata.
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

/// Returns whether an `https:` page would use an `http:` URL. Browsers block that unless the host
/// is the local machine: <https://www.w3.org/TR/mixed-content/>.
fn is_mixed_content(page: &Url, url: &str) -> bool {
    let Ok(url) = page.join(url) else {
        return false;
    };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    page.scheme() == "https" && url.scheme() == "http" && !is_loopback
}

/// Returns whether a policy makes the browser request `https:` instead of `http:`.
fn upgrades_insecure_requests(headers: &HeaderMap, declared: &[String]) -> bool {
    let upgrades = |policy: &str| {
        policy
            .to_ascii_lowercase()
            .contains("upgrade-insecure-requests")
    };
    declared.iter().any(|policy| upgrades(policy))
        || headers
            .get_all(CONTENT_SECURITY_POLICY)
            .any(|policy| upgrades(&headers::text(policy)))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    const REQUIREMENTS: Requirements<'static> = Requirements {
        origin: Some("https://app.example.com"),
        script: Some("https://cdn.mxpnl.com/libs/mixpanel-2-latest.min.js"),
        connect: Some("https://api-js.mixpanel.com"),
    };

    fn result(sent: &[(&'static str, &str)], requirements: &Requirements<'_>) -> CspResult {
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        check(&headers, &[], requirements)
    }

    #[test]
    fn isolation_blocks_a_cross_origin_library() {
        let (coep, dip) = ("cross-origin-embedder-policy", "document-isolation-policy");
        for (name, value) in [
            (coep, "require-corp"),
            (coep, "require-corp; report-to=\"x\""),
            (dip, "isolate-and-require-corp"),
        ] {
            let forbidden = result(&[(name, value)], &REQUIREMENTS);
            assert!(
                matches!(forbidden, CspResult::Forbidden(Obstacle::Isolation(_))),
                "{name}: {value}"
            );
            for script in [
                Some("/mixpanel.js"),
                Some("https://app.example.com/mixpanel.js"),
                None,
            ] {
                let requirements = Requirements {
                    script,
                    ..REQUIREMENTS
                };
                assert_eq!(
                    result(&[(name, value)], &requirements),
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
            assert_eq!(
                result(&[sent], &REQUIREMENTS),
                CspResult::Allowed,
                "{sent:?}"
            );
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
                result(&[("integrity-policy", value)], &REQUIREMENTS),
                forbidden,
                "{value}"
            );
            let self_hosted = Requirements {
                script: Some("/mixpanel.js"),
                ..REQUIREMENTS
            };
            assert_eq!(
                result(&[("integrity-policy", value)], &self_hosted),
                forbidden,
                "{value}"
            );
            let without_loader = Requirements {
                script: None,
                ..REQUIREMENTS
            };
            assert_eq!(
                result(&[("integrity-policy", value)], &without_loader),
                CspResult::Allowed,
                "{value}"
            );
            assert_eq!(
                result(&[("integrity-policy-report-only", value)], &REQUIREMENTS),
                CspResult::Allowed,
                "{value}"
            );
        }
        for value in ["blocked-destinations=(style)", "endpoints=(script)", ""] {
            assert_eq!(
                result(&[("integrity-policy", value)], &REQUIREMENTS),
                CspResult::Allowed,
                "{value}"
            );
        }
    }

    #[test]
    fn https_page_loads_nothing_from_http() {
        let insecure = Requirements {
            connect: Some("http://mp.example"),
            ..REQUIREMENTS
        };
        let forbidden = CspResult::Forbidden(Obstacle::MixedContent("http://mp.example".into()));
        assert_eq!(result(&[], &insecure), forbidden);
        let upgrade = ("content-security-policy", "upgrade-insecure-requests");
        assert_eq!(result(&[upgrade], &insecure), CspResult::Allowed);
        let script = Requirements {
            script: Some("http://mp.example/mixpanel.js"),
            ..REQUIREMENTS
        };
        assert!(matches!(
            result(&[], &script),
            CspResult::Forbidden(Obstacle::MixedContent(_))
        ));
        for allowed in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "http://[::1]:1",
            "/mp",
            "//mp.example",
        ] {
            assert_eq!(
                result(
                    &[],
                    &Requirements {
                        connect: Some(allowed),
                        ..REQUIREMENTS
                    }
                ),
                CspResult::Allowed,
                "{allowed}"
            );
        }
        let http_page = Requirements {
            origin: Some("http://app.example.com"),
            ..insecure
        };
        assert_eq!(result(&[], &http_page), CspResult::Allowed);
    }
}

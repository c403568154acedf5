use actix_web::http::header::HeaderValue;
use proptest::prelude::*;

use super::*;

const REQUIREMENTS: Requirements<'static> = Requirements {
    origin: Some("https://app.example.com"),
    script: Some("//cdn.mxpnl.com/libs/mixpanel-2-latest.min.js"),
    connect: Some("https://api-js.mixpanel.com"),
};

fn result(policies: &[&str]) -> CspResult {
    let mut headers = HeaderMap::new();
    for policy in policies {
        headers.append(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_str(policy).unwrap(),
        );
    }
    check(&headers, &[], &REQUIREMENTS)
}

#[test]
fn unrestricted_sources_are_allowed() {
    for policies in [
        &[][..],
        &[""],
        &["img-src 'self'; frame-ancestors 'none'"],
        &["script-src 'unsafe-inline' https://cdn.mxpnl.com; img-src 'none'"],
        &["default-src 'unsafe-inline' *"],
        &["script-src 'UNSAFE-INLINE' https:; connect-src *.mixpanel.com"],
        &["script-src-elem 'unsafe-inline' *.mxpnl.com/libs/; script-src 'none'"],
        &["script-src 'unsafe-inline' http://cdn.mxpnl.com:*"],
        &["sandbox allow-scripts allow-same-origin"],
    ] {
        assert_eq!(result(policies), CspResult::Allowed, "{policies:?}");
    }
}

#[test]
fn nonce_of_the_deciding_directive_is_used() {
    for (policies, nonce) in [
        (&["script-src 'nonce-aB+/-_=='"][..], "aB+/-_=="),
        (
            &["script-src 'unsafe-inline' 'NONCE-x' 'strict-dynamic'"],
            "x",
        ),
        (&["default-src 'nonce-x' https://api-js.mixpanel.com"], "x"),
        (
            &["script-src 'nonce-x' 'nonce-y'", "script-src 'nonce-y'"],
            "y",
        ),
        (&["script-src 'unsafe-inline' *, script-src 'nonce-y'"], "y"),
        (&["script-src-elem 'nonce-e'; script-src 'nonce-s'"], "e"),
        (&["script-src 'nonce-1'; script-src 'nonce-2'"], "1"),
    ] {
        assert_eq!(
            result(policies),
            CspResult::Nonce(nonce.into()),
            "{policies:?}"
        );
    }
}

#[test]
fn forbidden_result_names_the_directive() {
    for (policies, directive) in [
        (&["script-src 'self'"][..], "script-src"),
        (&["default-src 'self'; connect-src *"], "default-src"),
        (&["default-src 'self' 'unsafe-inline'"], "default-src"),
        (
            &["script-src 'unsafe-inline' 'sha256-abc=' *"],
            "script-src",
        ),
        (
            &["script-src 'unsafe-inline' 'strict-dynamic' *"],
            "script-src",
        ),
        (&["script-src 'unsafe-inline' 'self'"], "script-src"),
        (
            &["script-src 'unsafe-inline' cdn.mxpnl.com/other/"],
            "script-src",
        ),
        (
            &["script-src 'unsafe-inline' *.cdn.mxpnl.com"],
            "script-src",
        ),
        (
            &["script-src 'unsafe-inline' cdn.mxpnl.com:8443"],
            "script-src",
        ),
        (&["script-src 'nonce-'"], "script-src"),
        (&["script-src 'none'"], "script-src"),
        (
            &["script-src 'nonce-x'", "script-src 'nonce-y'"],
            "script-src",
        ),
        (&["script-src 'nonce-x'; connect-src 'self'"], "connect-src"),
        (&["script-src 'nonce-ab==cd'"], "script-src"),
        (&["script-src 'nonce-ab==='"], "script-src"),
        (&["script-src 'nonce-=='"], "script-src"),
        (&["script-src 'nonce-a.b'"], "script-src"),
        (
            &["script-src 'unsafe-inline' 'nonce-ab==cd' *"],
            "script-src",
        ),
    ] {
        let CspResult::Forbidden(Obstacle::Directive {
            directive: actual, ..
        }) = result(policies)
        else {
            panic!("{policies:?}");
        };
        assert_eq!(actual, directive, "{policies:?}");
    }
}

#[test]
fn sandbox_and_trusted_types_block_the_loader() {
    for policy in [
        "sandbox",
        "sandbox allow-forms",
        "sandbox allow-scripts",
        "sandbox allow-same-origin",
    ] {
        assert_eq!(
            result(&[policy]),
            CspResult::Forbidden(Obstacle::Sandbox),
            "{policy}"
        );
        assert_eq!(
            check(&HeaderMap::new(), &[policy.to_owned()], &REQUIREMENTS),
            CspResult::Allowed,
            "{policy}"
        );
    }
    let trusted_types = "require-trusted-types-for 'script'; trusted-types x";
    assert_eq!(
        result(&[trusted_types]),
        CspResult::Forbidden(Obstacle::TrustedTypes)
    );
    assert_eq!(result(&["trusted-types x"]), CspResult::Allowed);
}

#[test]
fn invalid_nonce_beside_a_valid_one_is_ignored() {
    assert_eq!(
        result(&["script-src 'nonce-ab==cd' 'nonce-x'"]),
        CspResult::Nonce("x".into())
    );
    assert_eq!(
        result(&["script-src 'nonce-aB==' 'strict-dynamic'"]),
        CspResult::Nonce("aB==".into())
    );
}

#[test]
fn library_on_the_page_origin_is_allowed() {
    let requirements = Requirements {
        script: Some("/mixpanel.js"),
        connect: Some("/mp"),
        ..REQUIREMENTS
    };
    let declared = [String::from("default-src 'self' 'unsafe-inline'")];
    assert_eq!(
        check(&HeaderMap::new(), &declared, &requirements),
        CspResult::Allowed
    );
    let declared = [String::from("default-src 'self'")];
    assert_ne!(
        check(&HeaderMap::new(), &declared, &requirements),
        CspResult::Allowed
    );
}

#[test]
fn report_only_policy_forbids_nothing() {
    let mut headers = HeaderMap::new();
    headers.insert(
        actix_web::http::header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
        HeaderValue::from_static("script-src 'none'"),
    );
    assert_eq!(check(&headers, &[], &REQUIREMENTS), CspResult::Allowed);
}

#[test]
fn remedy_names_each_source_to_add() {
    let self_hosted = Requirements {
        script: Some("/mixpanel.js"),
        connect: Some("/mp"),
        ..REQUIREMENTS
    };
    for (policy, requirements, remedy) in [
        (
            "script-src 'self'; connect-src 'self'",
            &REQUIREMENTS,
            "add https://api-js.mixpanel.com to connect-src; add 'nonce-…' (a new one for each response) to script-src",
        ),
        (
            "default-src 'nonce-x'",
            &REQUIREMENTS,
            "add a connect-src with the sources of default-src and https://api-js.mixpanel.com",
        ),
        (
            "script-src 'unsafe-inline'",
            &REQUIREMENTS,
            "add https://cdn.mxpnl.com to script-src",
        ),
        (
            "connect-src 'none'",
            &self_hosted,
            "add 'self' to connect-src",
        ),
        (
            "script-src 'nonce-x', script-src 'nonce-y'",
            &REQUIREMENTS,
            "use the same nonce in all policies of the page",
        ),
    ] {
        let mut headers = HeaderMap::new();
        headers.append(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_str(policy).unwrap(),
        );
        let CspResult::Forbidden(obstacle) = check(&headers, &[], requirements) else {
            panic!("{policy}")
        };
        assert!(
            obstacle.to_string().ends_with(remedy),
            "{policy}: {obstacle}"
        );
    }
}

/// Random sequence of directives, sources and noise.
fn policy() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "script-src",
            "script-src-elem",
            "default-src",
            "connect-src",
            "sandbox",
            "'self'",
            "'none'",
            "*",
            ";",
            ",",
            "'unsafe-inline'",
            "'strict-dynamic'",
            "'nonce-abc='",
            "'nonce-ab==cd'",
            "'sha256-abc='",
            "https:",
            "https://cdn.mxpnl.com",
            "*.mixpanel.com:*",
            "allow-scripts",
            "allow-same-origin",
            "[::1]",
            "://",
            ":",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,8}",
    ];
    prop::collection::vec(word, 0..12).prop_map(|words| words.join(" "))
}

proptest! {
    /// A second policy can only forbid more, in either order.
    #[test]
    fn second_policy_never_allows_more(first in policy(), second in policy()) {
        let is_forbidden = |policies: &[&str]| matches!(result(policies), CspResult::Forbidden(_));
        let (alone, both, swapped) = (result(&[&first]), result(&[&first, &second]), result(&[&second, &first]));
        if is_forbidden(&[&first]) {
            prop_assert!(matches!(both, CspResult::Forbidden(_)), "{alone:?} {both:?}");
        }
        prop_assert_eq!(matches!(both, CspResult::Forbidden(_)), matches!(swapped, CspResult::Forbidden(_)));
    }
}

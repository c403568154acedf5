use std::sync::Arc;

use actix_web::test::TestRequest;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::browser::snippet::{Audience, page_config};
use crate::call::Properties;
use crate::record::consent::{ConsentChangeKind, ConsentState};
use crate::settings::consent::ConsentRule;

/// Inputs of the consent decision, from the visitor and the application.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent signals and options"
)]
struct Signals {
    rule: Option<Consent>,
    cookie: Option<&'static str>,
    legacy_opt_out: bool,
    dnt: Option<&'static str>,
    gpc: Option<&'static str>,
    respect_dnt: bool,
    respect_gpc: bool,
    is_denied_by_default: bool,
}

const NO_SIGNALS: Signals = Signals {
    rule: None,
    cookie: None,
    legacy_opt_out: false,
    dnt: None,
    gpc: None,
    respect_dnt: true,
    respect_gpc: true,
    is_denied_by_default: false,
};

fn decide(signals: Signals) -> Decision {
    let rule = signals
        .rule
        .map(|consent| -> ConsentRule { Arc::new(move |_: &HttpRequest| consent) });
    let Signals {
        respect_dnt,
        respect_gpc,
        is_denied_by_default,
        ..
    } = signals;
    let policy = ConsentPolicy {
        rule,
        respect_dnt,
        respect_gpc,
        is_denied_by_default,
    };
    let mut request = TestRequest::default();
    let current = signals
        .cookie
        .map(|value| format!("__mp_opt_in_out_t={value}"));
    let legacy = signals.legacy_opt_out.then(|| "mp_optout=1".to_owned());
    for cookie in [current, legacy].into_iter().flatten() {
        request = request.append_header((header::COOKIE, cookie));
    }
    for (name, value) in [("dnt", signals.dnt), ("sec-gpc", signals.gpc)] {
        if let Some(value) = value {
            request = request.insert_header((name, value));
        }
    }
    policy.decide(
        &request.to_http_request(),
        &CookieNames::new("t", &Properties::new()),
    )
}

fn is_granted(signals: Signals) -> bool {
    decide(signals).now.is_granted
}

#[test]
fn first_rule_with_a_result_decides() {
    let opted_out = Signals {
        cookie: Some("0"),
        ..NO_SIGNALS
    };
    let opted_in = Signals {
        cookie: Some("1"),
        ..NO_SIGNALS
    };
    let dnt = Signals {
        dnt: Some("1"),
        ..NO_SIGNALS
    };
    let gpc = Signals {
        gpc: Some("1"),
        ..NO_SIGNALS
    };
    let by_default = Signals {
        is_denied_by_default: true,
        ..NO_SIGNALS
    };
    assert!(is_granted(NO_SIGNALS));
    for denied in [opted_out, dnt, gpc, by_default] {
        assert!(!is_granted(denied), "{denied:?}");
        assert!(
            !is_granted(Signals {
                rule: Some(Consent::Unknown),
                ..denied
            }),
            "{denied:?}"
        );
        assert!(
            is_granted(Signals {
                rule: Some(Consent::Granted),
                ..denied
            }),
            "{denied:?}"
        );
    }
    for granted in [dnt, gpc, by_default] {
        assert!(
            is_granted(Signals {
                cookie: Some("1"),
                ..granted
            }),
            "{granted:?}"
        );
    }
    assert!(!is_granted(Signals {
        rule: Some(Consent::Denied),
        ..opted_in
    }));
    assert!(is_granted(Signals {
        respect_dnt: false,
        ..dnt
    }));
    assert!(is_granted(Signals {
        respect_gpc: false,
        ..gpc
    }));
    assert!(!is_granted(Signals {
        legacy_opt_out: true,
        ..NO_SIGNALS
    }));
    assert!(is_granted(Signals {
        legacy_opt_out: true,
        ..opted_in
    }));
    assert!(is_granted(Signals {
        dnt: Some("0"),
        gpc: Some("0"),
        ..NO_SIGNALS
    }));
}

#[test]
fn cleared_cookie_leaves_the_other_rules() {
    let opted_in = Signals {
        cookie: Some("1"),
        dnt: Some("1"),
        ..NO_SIGNALS
    };
    let mut state = ConsentState::new(decide(opted_in));
    assert_eq!(state.now, ConsentStatus::explicit(true));
    state.apply(ConsentChangeKind::Clear);
    assert_eq!(
        (state.now.is_granted, state.now.is_explicit),
        (false, false)
    );
    state.apply(ConsentChangeKind::OptIn);
    assert!(state.now.is_granted);
    assert_eq!(state.restarted().now, decide(opted_in).now);
}

fn any_signals() -> impl Strategy<Value = Signals> {
    let rule = prop::option::of(prop::sample::select(vec![
        Consent::Granted,
        Consent::Denied,
        Consent::Unknown,
    ]));
    let cookie = prop::option::of(prop::sample::select(vec!["0", "1", "", "2"]));
    let signal = || prop::option::of(prop::sample::select(vec!["0", "1", ""]));
    let flag = any::<bool>;
    (
        rule,
        cookie,
        flag(),
        signal(),
        signal(),
        flag(),
        flag(),
        flag(),
    )
        .prop_map(
            |(
                rule,
                cookie,
                legacy_opt_out,
                dnt,
                gpc,
                respect_dnt,
                respect_gpc,
                is_denied_by_default,
            )| Signals {
                rule,
                cookie,
                legacy_opt_out,
                dnt,
                gpc,
                respect_dnt,
                respect_gpc,
                is_denied_by_default,
            },
        )
}

/// Returns whether mixpanel-js tracks in a page with the snippet for this audience. Follows
/// `_gdpr_init` and `hasOptedOut` of mixpanel-js 2.83, and `silent.js`.
fn page_tracks(signals: Signals, audience: Audience) -> bool {
    if audience == Audience::Denied {
        return false;
    }
    let config = json!({"opt_out_tracking_by_default": signals.is_denied_by_default});
    let config = page_config(audience, &config, !signals.respect_dnt);
    let is_enabled = |key: &str| config.get(key).and_then(Value::as_bool) == Some(true);
    let reads_own_cookie = config.get("opt_out_tracking_cookie_prefix").is_none();
    // The snippet of an overruled visitor opts in under the other cookie name.
    let cookie = if reads_own_cookie {
        signals.cookie
    } else {
        Some("1")
    };
    let has_dnt = signals.dnt == Some("1") && !is_enabled("ignore_dnt");
    let opts_out = cookie != Some("1")
        && (is_enabled("opt_out_tracking_by_default") || signals.legacy_opt_out);
    !has_dnt && cookie != Some("0") && !opts_out
}

proptest! {
    #[test]
    fn page_and_server_make_the_same_decision(signals in any_signals()) {
        let status = decide(signals).now;
        prop_assert_eq!(page_tracks(signals, Audience::from_status(status)), status.is_granted);
    }
}

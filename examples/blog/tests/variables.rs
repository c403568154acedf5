//! Environment variables and command line: session storage, ID merge, and options for mixpanel-js.

mod common;

use blog::{Blog, Config, Identity, SessionStorage};
use common::{RedisServer, Visitor, run};
use serde_json::json;

/// Asserts that sign-up, sign-out and sign-in persist across requests.
async fn assert_sign_in_persists(config: Config) -> Visitor {
    let visitor = Visitor::with_config(config);
    visitor.sign_up("ada@blog.example").await;
    assert!(visitor.page("/").await.contains("Ada"));
    visitor.submit("/session/delete", &[]).await;
    let signed_out = visitor.page("/").await;
    assert!(
        !signed_out.contains("Ada") && signed_out.contains("this.track(\"Sign Out\""),
        "{signed_out}"
    );
    visitor
        .submit("/session", &[("email", "ada@blog.example")])
        .await;
    let signed_in = visitor.page("/").await;
    assert!(
        signed_in.contains("Ada") && signed_in.contains("this.track(\"Sign In\""),
        "{signed_in}"
    );
    visitor
}

#[actix_web::test]
async fn session_none_uses_an_encrypted_sign_in_cookie() {
    let config = Config {
        session: SessionStorage::None,
        ..common::config()
    };
    let visitor = assert_sign_in_persists(config).await;
    let signed_in = visitor
        .submit("/session", &[("email", "ada@blog.example")])
        .await;
    let cookies: Vec<_> = signed_in
        .cookies()
        .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
        .collect();
    let (_, value) = cookies
        .iter()
        .find(|(name, _)| name == "blog_user_id")
        .unwrap();
    assert!(value.len() > 20, "{value} is not encrypted");
    assert!(
        cookies.iter().all(|(name, _)| name != "id"),
        "unexpected actix-session cookie in {cookies:?}"
    );

    let forged = reqwest::Client::new()
        .get(visitor.blog.url())
        .header("cookie", "blog_user_id=1");
    assert!(
        !forged
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("Ada")
    );
}

#[actix_web::test]
async fn session_none_delivers_redirect_calls_on_the_next_page() {
    let visitor = Visitor::with_config(Config {
        session: SessionStorage::None,
        ..common::config()
    });
    visitor.page("/sign_up").await;
    visitor.sign_up("ada@blog.example").await;
    let home = visitor.page("/").await;
    assert!(
        home.contains("this.track(\"Sign Up\"") && home.contains("this.identify(\"1\")"),
        "{home}"
    );
}

#[actix_web::test]
async fn session_cookie_keeps_visitors_signed_in() {
    assert_sign_in_persists(common::config()).await;
}

#[actix_web::test]
async fn session_redis_keeps_visitors_signed_in() {
    let redis = RedisServer::start();
    let config = Config {
        session: SessionStorage::Redis(redis.url()),
        ..common::config()
    };
    assert_sign_in_persists(config).await;
}

#[test]
fn unreachable_session_redis_is_a_start_error() {
    let config = Config {
        session: SessionStorage::Redis("redis://me:secret@127.0.0.1:1".into()),
        ..common::config()
    };
    let error = Blog::start(config).unwrap_err().to_string();
    assert!(
        error.starts_with("SESSION: cannot connect to that Redis ("),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[actix_web::test]
async fn sign_up_records_alias_only_with_legacy_identity() {
    for (identity, has_alias) in [(Identity::Simplified, false), (Identity::Legacy, true)] {
        let visitor = Visitor::with_config(Config {
            identity,
            ..common::config()
        });
        visitor.sign_up("ada@blog.example").await;
        let home = visitor.page("/").await;
        let expected = [
            "this.identify(\"1\")",
            "this.people.set(",
            "this.track(\"Sign Up\"",
            "this.track(\"View Home\"",
        ];
        let positions = expected.map(|call| {
            home.find(call)
                .unwrap_or_else(|| panic!("{call} in {home}"))
        });
        assert!(positions.is_sorted());
        let alias = home.find("this.alias(\"1\")");
        assert_eq!(alias.is_some(), has_alias);
        assert!(
            alias.is_none_or(|position| position < positions[0]),
            "alias precedes identify"
        );
    }
}

#[actix_web::test]
async fn js_config_reaches_the_page_and_the_consent_rule() {
    let js_config = json!({"cross_subdomain_cookie": false});
    let visitor = Visitor::with_config(Config {
        js_config,
        ..common::config()
    });
    assert!(
        visitor
            .page("/")
            .await
            .contains(r#""cross_subdomain_cookie":false"#)
    );

    let js_config = json!({"opt_out_tracking_by_default": true});
    let visitor = Visitor::with_config(Config {
        js_config,
        ..common::config()
    });
    assert!(!visitor.page("/").await.contains("this.track("));
}

#[test]
fn unusable_values_exit_and_name_the_variable() {
    for (name, value) in [
        ("JS_CONFIG", "{"),
        ("JS_CONFIG", r#"{"ip":"no"}"#),
        ("IDENTITY", "original"),
        ("SESSION", "memcached"),
        ("OUTBOX", "kafka://localhost"),
        ("MIXPANEL_API_HOST", "ftp://localhost"),
        ("MIXPANEL_JS_API_HOST", "ftp://localhost"),
        ("MIXPANEL_LIB_URL", "ftp://localhost"),
    ] {
        let output = run(&[], &[(name, value)]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{name}={value}");
        assert!(
            message
                .lines()
                .any(|line| line.starts_with(&format!("blog: {name}: "))),
            "{message}"
        );
        assert!(
            output.stdout.is_empty(),
            "the blog listened before it failed"
        );
    }
}

#[test]
fn help_lists_variables_and_arguments_are_checked() {
    let help = run(&["--help"], &[]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success());
    for variable in blog::VARIABLES {
        assert!(
            text.contains(variable.name) && text.contains(variable.meaning),
            "{} in {text}",
            variable.name
        );
    }
    let unknown = run(&["--port", "80"], &[]);
    assert!(!unknown.status.success());
    let message = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(
        message.contains("unexpected argument '--port'"),
        "{message}"
    );
}

//! Variables of the blog: session storages, ID merge, options for mixpanel-js, and the command
//! line.

mod common;

use blog::{Blog, Config, Identity, SessionStorage};
use common::{RedisServer, Visitor, run};
use serde_json::json;

/// Signs up, reads the page, signs out and in again, and expects the same from every session
/// storage.
async fn assert_that_visitors_stay_signed_in(config: Config) -> Visitor {
    let visitor = Visitor::of(config);
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
async fn session_none_keeps_visitors_signed_in_by_an_encrypted_cookie() {
    let config = Config {
        session: SessionStorage::None,
        ..common::config()
    };
    let visitor = assert_that_visitors_stay_signed_in(config).await;
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
    assert!(value.len() > 20, "the ID stands open in {value}");
    assert!(
        cookies.iter().all(|(name, _)| name != "id"),
        "no cookie of actix-session in {cookies:?}"
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
async fn session_none_delivers_calls_of_redirects_with_the_next_page() {
    let visitor = Visitor::of(Config {
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
    assert_that_visitors_stay_signed_in(common::config()).await;
}

#[actix_web::test]
async fn session_in_redis_keeps_visitors_signed_in() {
    let redis = RedisServer::start();
    let config = Config {
        session: SessionStorage::Redis(redis.url()),
        ..common::config()
    };
    assert_that_visitors_stay_signed_in(config).await;
}

#[test]
fn session_redis_that_does_not_answer_is_named_at_start() {
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
        let visitor = Visitor::of(Config {
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
        let places = expected.map(|call| {
            home.find(call)
                .unwrap_or_else(|| panic!("{call} in {home}"))
        });
        assert!(places.is_sorted());
        let alias = home.find("this.alias(\"1\")");
        assert_eq!(alias.is_some(), has_alias);
        assert!(
            alias.is_none_or(|place| place < places[0]),
            "alias comes before identify"
        );
    }
}

#[actix_web::test]
async fn js_config_reaches_the_page_and_the_consent_rule() {
    let js_config = json!({"cross_subdomain_cookie": false});
    let visitor = Visitor::of(Config {
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
    let visitor = Visitor::of(Config {
        js_config,
        ..common::config()
    });
    assert!(!visitor.page("/").await.contains("this.track("));
}

#[test]
fn unusable_values_end_the_process_and_name_the_variable() {
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
        assert!(output.stdout.is_empty(), "it listened before it failed");
    }
}

#[test]
fn help_lists_the_variables_and_unknown_arguments_are_errors() {
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

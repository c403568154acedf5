//! Machines without a network or without root certificates: pages load the small library of the
//! stand-in.

mod common;

use std::net::TcpListener;

use common::Process;

/// A process that looks for the CDN, and finds it only through this proxy.
fn behind_proxy(proxy: &str, variables: &[(&str, &str)]) -> Process {
    let mut all = vec![
        ("MIXPANEL_LIB_URL", ""),
        ("HTTPS_PROXY", proxy),
        ("NO_PROXY", ""),
    ];
    all.extend(variables);
    Process::start(&all)
}

/// Expects a page that loads the small library, and start-up lines that say so with that reason.
async fn assert_uses_small_library(mut process: Process, reason: &str) {
    let page = process.home().await;
    assert!(page.contains("/mixpanel-small.js\""), "{page}");
    assert!(!page.contains("cdn.mxpnl.com"), "{page}");
    let lines = [process.line(), process.line()];
    assert!(lines[0].ends_with("/live"), "{lines:?}");
    assert!(
        lines[1].starts_with("note: ") && lines[1].contains("cannot reach Mixpanel's CDN"),
        "{lines:?}"
    );
    assert!(lines[1].contains(reason), "{lines:?}");
}

#[actix_web::test]
async fn pages_load_the_small_library_where_the_cdn_is_away() {
    let away = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert_uses_small_library(behind_proxy(&format!("http://{away}"), &[]), "refused").await;
}

#[actix_web::test]
async fn pages_load_the_small_library_where_the_cdn_does_not_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", silent.local_addr().unwrap());
    assert_uses_small_library(behind_proxy(&proxy, &[]), "no answer within 1.5 s").await;
}

#[actix_web::test]
async fn blog_starts_without_root_certificates() {
    let bare = [
        ("SSL_CERT_FILE", "/nonexistent.pem"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    assert_uses_small_library(behind_proxy("http://127.0.0.1:9", &bare), "ertificate").await;
}

#[actix_web::test]
async fn configured_library_is_used_without_a_substitute() {
    let mut process = Process::start(&[
        ("MIXPANEL_LIB_URL", "https://127.0.0.1:9/lib.js"),
        ("MIXPANEL_TOKEN", "t"),
    ]);
    let page = process.home().await;
    assert!(
        page.contains("\"https://127.0.0.1:9/lib.js\"") && !page.contains("mixpanel-small"),
        "{page}"
    );
    assert!(process.line().ends_with("/live"));
}

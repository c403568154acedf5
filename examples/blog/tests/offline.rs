//! Startup on machines without a network or without root certificates: pages load the stand-in's
//! small library.

mod common;

use std::net::TcpListener;

use common::Process;

/// Starts a process that can reach the CDN only through `proxy`.
fn start_behind_proxy(proxy: &str, variables: &[(&str, &str)]) -> Process {
    let mut all_variables = vec![
        ("MIXPANEL_LIB_URL", ""),
        ("HTTPS_PROXY", proxy),
        ("NO_PROXY", ""),
    ];
    all_variables.extend(variables);
    Process::start(&all_variables)
}

/// Asserts that pages load the small library and that the output names the reason.
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
async fn small_library_replaces_an_unreachable_cdn() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert_uses_small_library(
        start_behind_proxy(&format!("http://{unused}"), &[]),
        "refused",
    )
    .await;
}

#[actix_web::test]
async fn small_library_replaces_a_silent_cdn() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", silent.local_addr().unwrap());
    assert_uses_small_library(start_behind_proxy(&proxy, &[]), "no response within 1.5 s").await;
}

#[actix_web::test]
async fn blog_starts_without_root_certificates() {
    let no_certificates = [
        ("SSL_CERT_FILE", "/nonexistent.pem"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    assert_uses_small_library(
        start_behind_proxy("http://127.0.0.1:9", &no_certificates),
        "ertificate",
    )
    .await;
}

#[actix_web::test]
async fn configured_library_has_no_substitute() {
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

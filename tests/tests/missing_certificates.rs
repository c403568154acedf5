//! Machine without root certificates, such as a minimal container.
//!
//! The test has a binary of its own, because it runs that binary again in another environment.

use std::process::Command;

use mengpaneel::{BuildError, Mengpaneel};

#[test]
fn build_fails_with_remedy_without_root_certificates() {
    let name = "build_fails_with_remedy_without_root_certificates";
    if std::env::var_os("WITHOUT_CERTIFICATES").is_some() {
        let error = Mengpaneel::builder("t").build().unwrap_err();
        assert!(matches!(error, BuildError::Delivery(_)), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains("install the package `ca-certificates`")
                && text.contains("SSL_CERT_FILE"),
            "{error}"
        );
        assert!(text.contains("https://api.mixpanel.com/"), "{error}");
        assert!(
            Mengpaneel::builder("t")
                .api_host("http://127.0.0.1:1")
                .build()
                .unwrap()
                .is_enabled(),
            "plain HTTP needs no certificates"
        );
        assert!(
            !Mengpaneel::builder("").build().unwrap().is_enabled(),
            "disabled tracking needs no certificates"
        );
        println!("build error: {error}");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .envs([
            ("WITHOUT_CERTIFICATES", "1"),
            ("SSL_CERT_FILE", "/nonexistent.pem"),
            ("SSL_CERT_DIR", "/nonexistent"),
        ])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("build error: "),
        "{stdout}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

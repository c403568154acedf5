//! A machine without certificates, as a bare container is. Alone in its binary, which it runs once
//! more.

use std::process::Command;

use mengpaneel::{BuildError, Mengpaneel};

#[test]
fn without_certificates_on_the_machine_building_is_an_error_that_says_so() {
    let name = "without_certificates_on_the_machine_building_is_an_error_that_says_so";
    if std::env::var_os("ON_A_BARE_MACHINE").is_some() {
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
                .is_on(),
            "http: needs none"
        );
        assert!(
            !Mengpaneel::builder("").build().unwrap().is_on(),
            "without a token none are needed"
        );
        println!("told: {error}");
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .envs([
            ("ON_A_BARE_MACHINE", "1"),
            ("SSL_CERT_FILE", "/nonexistent.pem"),
            ("SSL_CERT_DIR", "/nonexistent"),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("told: "),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

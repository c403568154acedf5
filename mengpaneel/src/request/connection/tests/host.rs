//! Host, port and scheme of a connection.

use super::*;

#[test]
fn port_is_added_to_a_host_without_one() {
    for (host, port, origin) in [
        ("blog.example", "8443", "https://blog.example:8443"),
        ("blog.example:1", "8443", "https://blog.example:1"),
        ("[::1]", "8443", "https://[::1]:8443"),
        ("[::1]:1", "8443", "https://[::1]:1"),
        ("blog.example", "443", "https://blog.example"),
        ("blog.example", "80", "https://blog.example"),
        ("blog.example", "0", "https://blog.example"),
        ("blog.example", "banana", "https://blog.example"),
    ] {
        let sent = [
            ("x-forwarded-host", host),
            ("x-forwarded-port", port),
            ("x-forwarded-proto", "https"),
        ];
        assert_eq!(x_forwarded(&sent).1, origin, "{host} {port}");
    }
}

#[test]
fn scheme_is_http_or_https() {
    for (proto, scheme) in [
        ("HTTPS", "https"),
        ("wss", "https"),
        ("ws", "http"),
        ("javascript", "http"),
        ("", "http"),
    ] {
        assert_eq!(
            x_forwarded(&[("x-forwarded-proto", proto)]).1,
            format!("{scheme}://inner"),
            "{proto}"
        );
    }
}

#[test]
fn malformed_host_is_none() {
    for host in [
        "evil.example/x",
        "a@b",
        "a b",
        "a?b",
        "a#b",
        "a\\b",
        "a,b",
        "b\u{fc}cher.example",
        "%61",
        "a\tb",
    ] {
        let direct = TestRequest::get()
            .insert_header(("host", HeaderValue::from_bytes(host.as_bytes()).unwrap()));
        assert_eq!(
            connection(&[], ProxyHeaders::XForwarded, &direct.to_http_request()).host,
            None,
            "{host}"
        );
        let quoted = host.replace('\\', "\\\\");
        assert_eq!(
            forwarded(&format!("for=203.0.113.7;host=\"{quoted}\"")).1,
            "http://(none)",
            "{host}"
        );
    }
    let two = TestRequest::get()
        .append_header(("host", "a.example"))
        .append_header(("host", "b.example"));
    assert_eq!(
        connection(&[], ProxyHeaders::XForwarded, &two.to_http_request()).host,
        None
    );
    let none = TestRequest::get().to_http_request();
    assert_eq!(connection(&[], ProxyHeaders::XForwarded, &none).host, None);
}

#[test]
fn request_target_precedes_the_host_header() {
    let request = TestRequest::get()
        .uri("http://blog.example:81/x")
        .insert_header(("host", "other.example"));
    let read = connection(&[], ProxyHeaders::XForwarded, &request.to_http_request());
    assert_eq!(read.host.as_deref(), Some("blog.example:81"));
}

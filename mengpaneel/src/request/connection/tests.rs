use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use proptest::prelude::*;

use super::*;

/// A request by a peer, or over a Unix socket, to the host `inner`.
fn request(peer: Option<&str>, sent: &[(&'static str, &str)]) -> HttpRequest {
    let mut request = TestRequest::get()
        .uri("/x")
        .insert_header(("host", "inner"));
    if let Some(peer) = peer {
        request = request.peer_addr(peer.parse().unwrap());
    }
    for (name, value) in sent {
        request =
            request.append_header((*name, HeaderValue::from_bytes(value.as_bytes()).unwrap()));
    }
    request.to_http_request()
}

fn connection(trusted: &[&str], speak: ProxyHeaders, request: &HttpRequest) -> Connection {
    let entries: Vec<String> = trusted.iter().map(|entry| (*entry).to_owned()).collect();
    Connection::from_request(request, &TrustedProxies::new(&entries, speak).unwrap())
}

/// Address and URL as behind the proxies 10.0.0.0/8 and a Unix socket, of which one connects.
fn behind(speak: ProxyHeaders, sent: &[(&'static str, &str)]) -> (Option<String>, String) {
    let seen = connection(
        &["10.0.0.0/8", "unix:"],
        speak,
        &request(Some("10.0.0.1:9"), sent),
    );
    let host = seen.host.unwrap_or_else(|| String::from("(none)"));
    (
        seen.ip.map(|ip| ip.to_string()),
        format!("{}://{host}", seen.scheme),
    )
}

fn x_forwarded(sent: &[(&'static str, &str)]) -> (Option<String>, String) {
    behind(ProxyHeaders::XForwarded, sent)
}

fn forwarded(value: &str) -> (Option<String>, String) {
    behind(ProxyHeaders::Forwarded, &[("forwarded", value)])
}

fn seen(ip: &str, url: &str) -> (Option<String>, String) {
    (Some(ip.to_owned()), url.to_owned())
}

#[test]
fn untrusted_peer_is_the_client_whatever_it_claims() {
    let sent = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "99"),
        ("forwarded", "for=6.6.6.6;host=evil.example;proto=https"),
    ];
    for speak in [ProxyHeaders::XForwarded, ProxyHeaders::Forwarded] {
        let read = connection(
            &["10.0.0.0/8", "unix:"],
            speak,
            &request(Some("203.0.113.7:9"), &sent),
        );
        let expected = Connection {
            ip: Some("203.0.113.7".parse().unwrap()),
            scheme: "http",
            host: Some("inner".into()),
        };
        assert_eq!(read, expected);
        assert_eq!(
            connection(&["10.0.0.0/8"], speak, &request(None, &sent)),
            Connection {
                ip: None,
                ..expected
            }
        );
    }
}

#[test]
fn unix_socket_can_be_trusted() {
    let sent = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "https"),
    ];
    let read = connection(&["unix:"], ProxyHeaders::XForwarded, &request(None, &sent));
    let host = Some(String::from("inner"));
    assert_eq!(
        read,
        Connection {
            ip: Some("203.0.113.7".parse().unwrap()),
            scheme: "https",
            host
        }
    );
    assert_eq!(
        connection(&["unix:"], ProxyHeaders::XForwarded, &request(None, &[])).ip,
        None
    );
}

#[test]
fn only_the_configured_family_counts() {
    let proxy = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-host", "blog.example"),
    ];
    let client = ("forwarded", "for=6.6.6.6;host=evil.example;proto=https");
    let both = [proxy[0], proxy[1], client];
    assert_eq!(
        x_forwarded(&both),
        seen("203.0.113.7", "http://blog.example")
    );
    let proxy = ("forwarded", "for=203.0.113.7;host=blog.example");
    let both = [
        proxy,
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "99"),
    ];
    assert_eq!(
        behind(ProxyHeaders::Forwarded, &both),
        seen("203.0.113.7", "http://blog.example")
    );
    assert_eq!(x_forwarded(&[client]), seen("10.0.0.1", "http://inner"));
}

#[test]
fn outermost_trusted_proxy_reports_the_client() {
    let sent = [
        ("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.2"),
        (
            "x-forwarded-host",
            "evil.example, blog.example, inner.example",
        ),
        ("x-forwarded-proto", "ftp, https, http"),
        ("x-forwarded-port", "1, 8443, 8080"),
    ];
    assert_eq!(
        x_forwarded(&sent),
        seen("203.0.113.7", "https://blog.example:8443")
    );
    let elements = "for=6.6.6.6;host=evil.example;proto=http, \
                    for=203.0.113.7;host=blog.example;proto=https, for=10.0.0.2;host=inner.example;proto=http";
    assert_eq!(
        forwarded(elements),
        seen("203.0.113.7", "https://blog.example")
    );
}

#[test]
fn inner_proxy_counts_where_the_outermost_reports_nothing() {
    let sent = [
        ("x-forwarded-for", "203.0.113.7, 10.0.0.2"),
        ("x-forwarded-host", "blog.example"),
    ];
    assert_eq!(
        x_forwarded(&sent),
        seen("203.0.113.7", "http://blog.example")
    );
    let elements = "for=203.0.113.7;proto=https, for=10.0.0.2;host=blog.example;proto=http";
    assert_eq!(
        forwarded(elements),
        seen("203.0.113.7", "https://blog.example")
    );
    assert_eq!(
        forwarded("host=evil.example, for=203.0.113.7"),
        seen("203.0.113.7", "http://inner")
    );
}

#[test]
fn request_of_a_trusted_machine_has_its_address() {
    assert_eq!(x_forwarded(&[]), seen("10.0.0.1", "http://inner"));
    assert_eq!(
        x_forwarded(&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")]),
        seen("10.0.0.3", "http://inner")
    );
}

#[test]
fn hidden_client_has_no_address() {
    for hidden in [
        "unknown",
        "_secret",
        "_secret:80",
        "banana",
        "1.2.3",
        "for=1.2.3.4",
        "[::1",
    ] {
        assert_eq!(
            x_forwarded(&[("x-forwarded-for", hidden)]).0,
            None,
            "{hidden}"
        );
        let beyond = format!("203.0.113.7, {hidden}, 10.0.0.2");
        assert_eq!(
            x_forwarded(&[("x-forwarded-for", &beyond)]).0,
            None,
            "{hidden}"
        );
        assert_eq!(forwarded(&format!("for={hidden}")).0, None, "{hidden}");
    }
    assert_eq!(
        forwarded("host=blog.example"),
        (None, String::from("http://blog.example"))
    );
}

#[test]
fn addresses_are_canonical() {
    for (written, canonical) in [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:80", "203.0.113.7"),
        ("203.0.113.7:_port", "203.0.113.7"),
        ("\"203.0.113.7:80\"", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ("\"[2001:db8::1]:_x\"", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
    ] {
        assert_eq!(
            x_forwarded(&[("x-forwarded-for", written)]).0.as_deref(),
            Some(canonical),
            "{written}"
        );
        assert_eq!(
            forwarded(&format!("For={written}")).0.as_deref(),
            Some(canonical),
            "{written}"
        );
    }
    let mapped = connection(
        &["10.0.0.1"],
        ProxyHeaders::XForwarded,
        &request(Some("[::ffff:10.0.0.1]:9"), &[]),
    );
    assert_eq!(mapped.ip, Some("10.0.0.1".parse().unwrap()));
}

#[test]
fn entries_in_several_lines_are_one_list() {
    let sent = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", ", 203.0.113.7,,10.0.0.2"),
    ];
    assert_eq!(x_forwarded(&sent).0.as_deref(), Some("203.0.113.7"));
    let sent = [
        ("forwarded", "for=6.6.6.6"),
        ("forwarded", "for=203.0.113.7"),
    ];
    assert_eq!(
        behind(ProxyHeaders::Forwarded, &sent).0.as_deref(),
        Some("203.0.113.7")
    );
}

/// A client that opens a quote cannot swallow what the proxy adds behind it.
#[test]
fn open_quote_of_a_client_hides_nothing() {
    for client in [
        "for=\"6.6.6.6",
        "for=\"",
        "x=\"\\\"",
        "\"",
        "for=\"\\",
        "\u{fc}=\"a;b,c",
    ] {
        let value =
            format!("{client}, for=\"[2001:db8::1]:80\";host=\"blog.example:8443\";proto=HTTPS");
        assert_eq!(
            forwarded(&value),
            seen("2001:db8::1", "https://blog.example:8443"),
            "{client}"
        );
    }
    assert_eq!(
        forwarded("for=\"a,b;c\";x=1, for=203.0.113.7").0.as_deref(),
        Some("203.0.113.7")
    );
}

#[test]
fn port_is_added_where_the_host_has_none() {
    for (host, port, url) in [
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
        assert_eq!(x_forwarded(&sent).1, url, "{host} {port}");
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
        let own = TestRequest::get()
            .insert_header(("host", HeaderValue::from_bytes(host.as_bytes()).unwrap()));
        assert_eq!(
            connection(&[], ProxyHeaders::XForwarded, &own.to_http_request()).host,
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
fn authority_of_the_target_precedes_the_host_header() {
    let request = TestRequest::get()
        .uri("http://blog.example:81/x")
        .insert_header(("host", "other.example"));
    let read = connection(&[], ProxyHeaders::XForwarded, &request.to_http_request());
    assert_eq!(read.host.as_deref(), Some("blog.example:81"));
}

/// Bytes that a header may hold, quotes and backslashes more often than others.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    let sign = prop::sample::select(&b"\"\"\\,;= []_:"[..]);
    prop::collection::vec(
        prop_oneof![sign, Just(b'\t'), 0x20..=0x7E_u8, 0x80..=0xFF_u8],
        0..24,
    )
}

proptest! {
    #[test]
    fn bytes_before_a_proxys_element_never_change_it(junk in junk()) {
        let behind = |speak, elements: &[(&'static str, &[u8])]| {
            let request = TestRequest::get().peer_addr("10.0.0.1:9".parse().unwrap()).insert_header(("host", "inner"));
            let request = elements.iter().fold(request, |request, (name, element)| {
                let value = HeaderValue::from_bytes(&[&junk, &b", "[..], element].concat()).unwrap();
                request.insert_header((*name, value))
            });
            connection(&["10.0.0.0/8"], speak, &request.to_http_request())
        };
        let host = Some(String::from("blog.example:8443"));
        let expected = Connection { ip: Some("2001:db8::1".parse().unwrap()), scheme: "https", host };
        let elements: [(&'static str, &[u8]); 3] = [
            ("x-forwarded-for", b"2001:db8::1, 10.0.0.2"),
            ("x-forwarded-host", b"blog.example:8443, inner"),
            ("x-forwarded-proto", b"https, http"),
        ];
        prop_assert_eq!(&behind(ProxyHeaders::XForwarded, &elements), &expected);
        let element = b"for=\"[2001:db8::1]:80\";host=\"blog.example:8443\";proto=https, for=10.0.0.2;host=inner";
        prop_assert_eq!(&behind(ProxyHeaders::Forwarded, &[("forwarded", element)]), &expected);
    }
}

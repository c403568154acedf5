use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use proptest::prelude::*;

use super::*;

mod host;

/// Creates a request of a peer, or over a Unix socket for `None`, to the host `inner`.
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

fn connection(trusted: &[&str], family: ProxyHeaders, request: &HttpRequest) -> Connection {
    let entries: Vec<String> = trusted.iter().map(|entry| (*entry).to_owned()).collect();
    Connection::from_request(request, &TrustedProxies::new(&entries, family).unwrap())
}

/// Returns client address and origin of a request that 10.0.0.1 sends. Trusted proxies are
/// 10.0.0.0/8 and Unix sockets.
fn through_proxy(family: ProxyHeaders, sent: &[(&'static str, &str)]) -> (Option<String>, String) {
    let connection = connection(
        &["10.0.0.0/8", "unix:"],
        family,
        &request(Some("10.0.0.1:9"), sent),
    );
    let host = connection.host.unwrap_or_else(|| String::from("(none)"));
    (
        connection.ip.map(|ip| ip.to_string()),
        format!("{}://{host}", connection.scheme),
    )
}

fn x_forwarded(sent: &[(&'static str, &str)]) -> (Option<String>, String) {
    through_proxy(ProxyHeaders::XForwarded, sent)
}

fn forwarded(value: &str) -> (Option<String>, String) {
    through_proxy(ProxyHeaders::Forwarded, &[("forwarded", value)])
}

fn expected(ip: &str, origin: &str) -> (Option<String>, String) {
    (Some(ip.to_owned()), origin.to_owned())
}

#[test]
fn untrusted_peer_is_the_client() {
    let sent = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "99"),
        ("forwarded", "for=6.6.6.6;host=evil.example;proto=https"),
    ];
    for family in [ProxyHeaders::XForwarded, ProxyHeaders::Forwarded] {
        let read = connection(
            &["10.0.0.0/8", "unix:"],
            family,
            &request(Some("203.0.113.7:9"), &sent),
        );
        let expected = Connection {
            ip: Some("203.0.113.7".parse().unwrap()),
            scheme: "http",
            host: Some("inner".into()),
        };
        assert_eq!(read, expected);
        assert_eq!(
            connection(&["10.0.0.0/8"], family, &request(None, &sent)),
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
        expected("203.0.113.7", "http://blog.example")
    );
    let proxy = ("forwarded", "for=203.0.113.7;host=blog.example");
    let both = [
        proxy,
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "99"),
    ];
    assert_eq!(
        through_proxy(ProxyHeaders::Forwarded, &both),
        expected("203.0.113.7", "http://blog.example")
    );
    assert_eq!(x_forwarded(&[client]), expected("10.0.0.1", "http://inner"));
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
        expected("203.0.113.7", "https://blog.example:8443")
    );
    let elements = "for=6.6.6.6;host=evil.example;proto=http, \
                    for=203.0.113.7;host=blog.example;proto=https, for=10.0.0.2;host=inner.example;proto=http";
    assert_eq!(
        forwarded(elements),
        expected("203.0.113.7", "https://blog.example")
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
        expected("203.0.113.7", "http://blog.example")
    );
    let elements = "for=203.0.113.7;proto=https, for=10.0.0.2;host=blog.example;proto=http";
    assert_eq!(
        forwarded(elements),
        expected("203.0.113.7", "https://blog.example")
    );
    assert_eq!(
        forwarded("host=evil.example, for=203.0.113.7"),
        expected("203.0.113.7", "http://inner")
    );
}

#[test]
fn request_of_a_trusted_host_has_its_address() {
    assert_eq!(x_forwarded(&[]), expected("10.0.0.1", "http://inner"));
    assert_eq!(
        x_forwarded(&[("x-forwarded-for", "10.0.0.3, 10.0.0.2")]),
        expected("10.0.0.3", "http://inner")
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
        let with_outer_element = format!("203.0.113.7, {hidden}, 10.0.0.2");
        assert_eq!(
            x_forwarded(&[("x-forwarded-for", &with_outer_element)]).0,
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
    for (text, canonical) in [
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
            x_forwarded(&[("x-forwarded-for", text)]).0.as_deref(),
            Some(canonical),
            "{text}"
        );
        assert_eq!(
            forwarded(&format!("For={text}")).0.as_deref(),
            Some(canonical),
            "{text}"
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
        through_proxy(ProxyHeaders::Forwarded, &sent).0.as_deref(),
        Some("203.0.113.7")
    );
}

/// An unclosed quote of a client cannot hide the element that the proxy appends.
#[test]
fn unclosed_quote_hides_no_proxy_element() {
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
            expected("2001:db8::1", "https://blog.example:8443"),
            "{client}"
        );
    }
    assert_eq!(
        forwarded("for=\"a,b;c\";x=1, for=203.0.113.7").0.as_deref(),
        Some("203.0.113.7")
    );
}

/// Random bytes that are valid in a header, with many quotes and backslashes.
fn junk() -> impl Strategy<Value = Vec<u8>> {
    let sign = prop::sample::select(&b"\"\"\\,;= []_:"[..]);
    prop::collection::vec(
        prop_oneof![sign, Just(b'\t'), 0x20..=0x7E_u8, 0x80..=0xFF_u8],
        0..24,
    )
}

proptest! {
    #[test]
    fn bytes_before_a_proxy_element_never_change_it(junk in junk()) {
        let resolve = |family, elements: &[(&'static str, &[u8])]| {
            let request = TestRequest::get().peer_addr("10.0.0.1:9".parse().unwrap()).insert_header(("host", "inner"));
            let request = elements.iter().fold(request, |request, (name, element)| {
                let value = HeaderValue::from_bytes(&[&junk, &b", "[..], element].concat()).unwrap();
                request.insert_header((*name, value))
            });
            connection(&["10.0.0.0/8"], family, &request.to_http_request())
        };
        let host = Some(String::from("blog.example:8443"));
        let expected = Connection { ip: Some("2001:db8::1".parse().unwrap()), scheme: "https", host };
        let elements: [(&'static str, &[u8]); 3] = [
            ("x-forwarded-for", b"2001:db8::1, 10.0.0.2"),
            ("x-forwarded-host", b"blog.example:8443, inner"),
            ("x-forwarded-proto", b"https, http"),
        ];
        prop_assert_eq!(&resolve(ProxyHeaders::XForwarded, &elements), &expected);
        let element = b"for=\"[2001:db8::1]:80\";host=\"blog.example:8443\";proto=https, for=10.0.0.2;host=inner";
        prop_assert_eq!(&resolve(ProxyHeaders::Forwarded, &[("forwarded", element)]), &expected);
    }
}

//! Request headers, read as bytes: one byte outside of ASCII never hides the rest of a header.
//!
//! Clients choose most request headers freely. `HeaderValue::to_str` rejects a whole value for one
//! such byte. `HttpRequest::cookie` of actix-web 4.18 rejects all cookies of a request for one that
//! is not UTF-8.

use std::borrow::Cow;

use actix_web::http::header::HeaderValue;

/// Returns the text of a header value, without white space around it. A value that is not UTF-8 is
/// read as Latin-1, as in browsers and servers:
/// <https://fetch.spec.whatwg.org/#concept-header-value>.
#[must_use]
pub(crate) fn text(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = trim(value.as_bytes());
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().copied().map(char::from).collect()),
    }
}

/// Returns the elements of a comma-separated header, in order, over all its lines. Empty elements
/// are omitted. An element that is not UTF-8 is read as Latin-1.
pub(crate) fn list<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = Cow<'a, str>> {
    values
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(trim)
        .filter(|element| !element.is_empty())
        .map(|element| match std::str::from_utf8(element) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(element.iter().copied().map(char::from).collect()),
        })
}

/// Returns the names and raw values of a request's cookies, in the order in which they were sent. A
/// pair without a name or outside of UTF-8 is omitted, without effect on the others.
///
/// Values are not percent-decoded.
pub(crate) fn cookies_of<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    values
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b';'))
        .filter_map(parse_pair)
}

fn parse_pair(pair: &[u8]) -> Option<(&str, &str)> {
    let separator = memchr::memchr(b'=', pair)?;
    let (name, value) = pair.split_at(separator);
    let name = std::str::from_utf8(trim(name))
        .ok()
        .filter(|name| !name.is_empty())?;
    let value = std::str::from_utf8(trim(value.get(1..)?)).ok()?;
    Some((name, value))
}

/// Removes HTTP white space around bytes: only spaces and tabs.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{self, HeaderMap};
    use proptest::prelude::*;

    use super::*;

    fn value(bytes: &[u8]) -> HeaderValue {
        HeaderValue::from_bytes(bytes).unwrap()
    }

    fn cookie_headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, value(line));
        }
        headers
    }

    #[test]
    fn text_is_utf_8_or_latin_1() {
        assert_eq!(text(&value(b" caf\xC3\xA9\t")), "café");
        assert_eq!(text(&value(b"caf\xE9")), "café");
        assert_eq!(text(&value(b"")), "");
    }

    #[test]
    fn list_contains_the_elements_around_an_invalid_one() {
        let values = [value(b"true, ,\xFF"), value(b" true ")];
        assert_eq!(list(&values).collect::<Vec<_>>(), ["true", "ÿ", "true"]);
    }

    #[test]
    fn cookies_are_in_order_over_several_lines() {
        let headers = cookie_headers(&[b"a=1; b = x=y ;;a=2", b"c=\"q\""]);
        let cookies: Vec<_> = cookies_of(headers.get_all(header::COOKIE)).collect();
        assert_eq!(
            cookies,
            [("a", "1"), ("b", "x=y"), ("a", "2"), ("c", "\"q\"")]
        );
    }

    #[test]
    fn only_the_invalid_cookie_is_omitted() {
        let headers = cookie_headers(&[b"\xFF=1; =2; 3; city=M\xFCnchen; a=M\xC3\xBCnchen"]);
        assert_eq!(
            cookies_of(headers.get_all(header::COOKIE)).collect::<Vec<_>>(),
            [("a", "München")]
        );
    }

    /// Random pair of bytes that are valid in a header, without `;` and without the name `ours`.
    fn noise() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b'\t'), 0x20..=0x7E_u8, 0x80..=0xFF_u8]
            .prop_filter("ends a pair", |b| *b != b';');
        let pair = prop::collection::vec(byte, 0..12);
        let ours = |pair: &Vec<u8>| pair.windows(4).any(|name| name == b"ours");
        pair.prop_filter("is ours", move |pair| !ours(pair))
    }

    proptest! {
        #[test]
        fn bytes_around_a_cookie_never_change_it(
            before in prop::collection::vec(noise(), 0..4),
            after in prop::collection::vec(noise(), 0..4),
            in_lines in any::<bool>(),
        ) {
            let pairs: Vec<Vec<u8>> = before.into_iter().chain([b"ours=%7B%7D".to_vec()]).chain(after).collect();
            let lines = if in_lines { pairs } else { vec![pairs.join(&b"; "[..])] };
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let headers = cookie_headers(&lines);
            let ours: Vec<_> = cookies_of(headers.get_all(header::COOKIE)).filter(|(name, _)| *name == "ours").collect();
            prop_assert_eq!(ours, [("ours", "%7B%7D")]);
        }
    }
}

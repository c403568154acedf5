//! mixpanel-js's cookies in a request.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::record::visitor::Browser;
use crate::request::headers::cookies_of;
use crate::settings::cookies::CookieNames;

/// Returns the value of the first cookie with this name and a valid value, in `Cookie` headers.
fn first_cookie<'a>(
    values: impl IntoIterator<Item = &'a HeaderValue>,
    name: &str,
    is_valid: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    cookies_of(values)
        .find(|(other, value)| *other == name && is_valid(value))
        .map(|(_, value)| value)
}

/// Returns `true` if mixpanel-js's cookies contain an opt-in, `false` for an opt-out, and `None`
/// for neither. The first of several cookies with one name counts, as in mixpanel-js.
#[must_use]
pub(crate) fn opt_in_out(headers: &HeaderMap, names: &CookieNames) -> Option<bool> {
    let first = |name: &str| first_cookie(headers.get_all(header::COOKIE), name, |_| true);
    match first(&names.opt_out) {
        Some("1") => return Some(true),
        Some("0") => return Some(false),
        _ => {}
    }
    // The opt-out of mixpanel-js before 2.0, which later versions still read.
    first("mp_optout")
        .is_some_and(|value| !value.is_empty())
        .then_some(false)
}

/// Returns the raw value of mixpanel-js's persistence cookie. Browsers may send several cookies
/// with one name, one of them empty: the first with an identity counts. `None` if there is none.
#[must_use]
pub(crate) fn persistence_cookie(cookies: &[HeaderValue], names: &CookieNames) -> Option<String> {
    first_cookie(cookies, &names.persistence, |value| {
        Browser::parse(value).is_some()
    })
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;
    use crate::call::Properties;

    const COOKIE: &str = "%7B%22distinct_id%22%3A%22%24device%3Aabc%22%2C%22%24device_id%22%3A%22abc%22%2C\
                          %22Plan%22%3A%22Pro%22%2C%22__timers%22%3A%7B%22Play%22%3A5%7D%2C%22__mps%22%3A%7B%7D%7D";

    #[test]
    fn first_cookie_with_an_identity_counts() {
        let names = CookieNames::new("t", &Properties::new());
        let sent = format!("mp_t_mixpanel=; mp_t_mixpanel={COOKIE}; other=1");
        let sent = [HeaderValue::from_str(&sent).unwrap()];
        assert_eq!(persistence_cookie(&sent, &names).as_deref(), Some(COOKIE));
    }

    #[test]
    fn opt_in_and_opt_out_are_read_from_the_first_cookie() {
        let names = CookieNames::new("t", &Properties::new());
        for (cookies, expected) in [
            ("a=b; __mp_opt_in_out_t=0", Some(false)),
            ("__mp_opt_in_out_t=1", Some(true)),
            ("__mp_opt_in_out_t=1; __mp_opt_in_out_t=0", Some(true)),
            ("__mp_opt_in_out_t=0; __mp_opt_in_out_t=1", Some(false)),
            ("__mp_opt_in_out_other=0; __mp_opt_in_out_tt=0", None),
            ("__mp_opt_in_out_t=; mp_optout=", None),
            ("mp_optout=1", Some(false)),
            ("mp_optout=1; __mp_opt_in_out_t=1", Some(true)),
        ] {
            let request = TestRequest::default()
                .insert_header(("cookie", cookies))
                .to_http_request();
            assert_eq!(opt_in_out(request.headers(), &names), expected, "{cookies}");
        }
    }

    proptest! {
        /// The visitor stays opted out and identified, regardless of the other cookies.
        #[test]
        fn other_cookies_change_neither_consent_nor_identity(
            before in prop::collection::vec(prop_oneof![Just(b'\t'), 0x20..=0x7E_u8, 0x80..=0xFF_u8], 0..40),
            after in prop::collection::vec(prop_oneof![Just(b'\t'), 0x20..=0x7E_u8, 0x80..=0xFF_u8], 0..40),
        ) {
            let names = CookieNames::new("t", &Properties::new());
            let identity = format!("mp_t_mixpanel={COOKIE}");
            let pairs = [&before[..], identity.as_bytes(), b"__mp_opt_in_out_t=0", &after[..]];
            let value = HeaderValue::from_bytes(&pairs.join(&b"; "[..])).unwrap();
            let request = TestRequest::default().insert_header((header::COOKIE, value.clone())).to_http_request();
            prop_assert_eq!(opt_in_out(request.headers(), &names), Some(false));
            let read = persistence_cookie(&[value], &names);
            prop_assert_eq!(read.as_deref(), Some(COOKIE));
        }
    }
}

//! Text for logs and errors: URLs without their secrets.

/// A URL without user, password, query and fragment, whether or not it can be parsed.
#[must_use]
pub fn redacted_url(url: &str) -> String {
    let url = url.trim();
    let scheme_end = url.find("://").map_or(0, |at| at + 3);
    let (scheme, mut rest) = url.split_at(scheme_end);
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.:/".contains(&byte));
    // What stands before the last `@` may be a password, also where it was not encoded.
    let user = match url.rfind('@') {
        Some(at) if at >= scheme_end => {
            rest = &url[at..];
            "…"
        }
        Some(at) => return redacted_url(&url[at + 1..]),
        None => "",
    };
    let scheme = if is_scheme { scheme } else { "" };
    match rest.find(['?', '#']) {
        Some(end) => format!("{scheme}{user}{}…", &rest[..=end]),
        None => format!("{scheme}{user}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redacted_url_has_no_user_password_query_or_fragment() {
        for (url, shown) in [
            ("https://api-eu.mixpanel.com", "https://api-eu.mixpanel.com"),
            ("https://me:s3cret@proxy.example/mp", "https://…@proxy.example/mp"),
            ("redis+cluster://:s3cret@proxy.example:7000/", "redis+cluster://…@proxy.example:7000/"),
            ("//me:s3cret@proxy.example/mp", "…@proxy.example/mp"),
            ("https://me@s3cret@proxy.example/mp", "https://…@proxy.example/mp"),
            ("https://me:s3c?ret#@proxy.example", "https://…@proxy.example"),
            ("https://me:s3c/ret@proxy.example", "https://…@proxy.example"),
            ("me:s3cret@proxy.example", "…@proxy.example"),
            ("me:s3cret@https://proxy.example", "https://proxy.example"),
            (" https://proxy.example/?token=s3cret ", "https://proxy.example/?…"),
            ("https://proxy.example/#s3cret", "https://proxy.example/#…"),
            ("", ""),
        ] {
            assert_eq!(redacted_url(url), shown);
        }
    }
}

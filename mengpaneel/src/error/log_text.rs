//! Text for logs and errors: URLs without secrets; untrusted text, quoted and shortened.

use std::fmt::{self, Write as _};

/// Returns a URL without user, password, query and fragment, even if it cannot be parsed.
#[must_use]
pub(crate) fn redacted_url(url: &str) -> String {
    let url = url.trim();
    let scheme_end = url.find("://").map_or(0, |at| at + 3);
    let (scheme, mut rest) = url.split_at(scheme_end);
    let is_scheme = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.:/".contains(&byte));
    // Text before the last `@` may be a password that was not encoded.
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

/// Most characters of an untrusted text that are shown.
const MAX_SHOWN: usize = 80;

/// Untrusted text in quotes, with control characters escaped, and shortened if it is long. It
/// cannot forge a log line or fill the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let mut chars = self.0.chars();
        for c in chars.by_ref().take(MAX_SHOWN) {
            match c {
                '\'' => f.write_char(c)?,
                // `escape_debug` also escapes line and paragraph separators, and characters that
                // change the direction of text.
                c => write!(f, "{}", c.escape_debug())?,
            }
        }
        f.write_str(if chars.next().is_some() {
            "…\""
        } else {
            "\""
        })
    }
}

/// Most characters of a line that holds untrusted text.
const MAX_LINE: usize = 400;

/// Returns text with untrusted parts as one line, with control characters escaped, and shortened if
/// it is long.
#[must_use]
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut chars = text.trim().chars();
    for c in chars.by_ref().take(MAX_LINE) {
        match c {
            '"' | '\'' | '\\' => line.push(c),
            c => line.extend(c.escape_debug()),
        }
    }
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redacted_url_has_no_user_password_query_or_fragment() {
        for (url, shown) in [
            ("https://api-eu.mixpanel.com", "https://api-eu.mixpanel.com"),
            (
                "https://me:s3cret@proxy.example/mp",
                "https://…@proxy.example/mp",
            ),
            (
                "redis+cluster://:s3cret@proxy.example:7000/",
                "redis+cluster://…@proxy.example:7000/",
            ),
            ("//me:s3cret@proxy.example/mp", "…@proxy.example/mp"),
            (
                "https://me@s3cret@proxy.example/mp",
                "https://…@proxy.example/mp",
            ),
            (
                "https://me:s3c?ret#@proxy.example",
                "https://…@proxy.example",
            ),
            (
                "https://me:s3c/ret@proxy.example",
                "https://…@proxy.example",
            ),
            ("me:s3cret@proxy.example", "…@proxy.example"),
            ("me:s3cret@https://proxy.example", "https://proxy.example"),
            (
                " https://proxy.example/?token=s3cret ",
                "https://proxy.example/?…",
            ),
            ("https://proxy.example/#s3cret", "https://proxy.example/#…"),
            ("", ""),
        ] {
            assert_eq!(redacted_url(url), shown);
        }
    }

    #[test]
    fn untrusted_text_is_one_short_line() {
        let text = "a\r\nERROR \u{1b}[31m forged \u{2028} \u{202e} \u{0} \"quoted\" it's Zürich";
        for shown in [Quoted(text).to_string(), one_line(text)] {
            assert!(
                !shown.contains(['\r', '\n', '\u{1b}', '\u{2028}', '\u{202e}', '\0']),
                "{shown}"
            );
            assert!(shown.contains("it's Zürich"), "{shown}");
        }
        assert_eq!(Quoted("Plan").to_string(), "\"Plan\"");
        let long = "é".repeat(10_000);
        assert!(
            Quoted(&long).to_string().chars().count() < 100
                && one_line(&long).chars().count() <= MAX_LINE + 1
        );
    }
}

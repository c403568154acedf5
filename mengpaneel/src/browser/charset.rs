//! Character encodings in which the bytes of a snippet mean what they mean in ASCII.
//!
//! A snippet is ASCII only, and relies on its escapes. Where a decoder reads `\"` as `¥"`, a
//! property can end its string.
//!
//! An encoding is safe only if the standard's decoder maps every ASCII byte to itself, regardless
//! of the bytes before it. All are safe but ISO-2022-JP, UTF-16 and the replacement encoding:
//! <https://encoding.spec.whatwg.org/#names-and-labels>. After a lone lead byte, the decoders of
//! `Shift_JIS`, EUC, GBK and Big5 emit an ASCII byte that is not a trail byte. `<` is a trail byte
//! in none of them.

use encoding_rs::Encoding;
use memchr::memchr2;

/// Encoding that the `charset` parameters of a `Content-Type` declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeclaredCharset {
    /// No encoding: the page itself, or the browser's guess, decides.
    Nothing,
    /// Safe encoding, which neither the page nor the browser's guess can change.
    Safe,
    /// Another encoding, or a label that is not in the standard.
    Unsafe,
}

/// Reads the `charset` parameters of a `Content-Type`. Browsers differ in which of several counts,
/// so all must be safe.
pub(crate) fn declared(content_type: &str) -> DeclaredCharset {
    let content_type = content_type.to_ascii_lowercase();
    let mut labels = 0;
    for parameter in content_type.split(';').skip(1) {
        let Some((name, label)) = parameter.split_once('=') else {
            continue;
        };
        if name.trim() == "charset" {
            labels += 1;
            if !is_safe(label.trim_matches(['"', '\'', ' ', '\t']).as_bytes()) {
                return DeclaredCharset::Unsafe;
            }
        }
    }
    match content_type.matches("charset").count() {
        0 => DeclaredCharset::Nothing,
        named if named == labels => DeclaredCharset::Safe,
        // Only some browsers find it in this position.
        _ => DeclaredCharset::Unsafe,
    }
}

/// Returns whether a label names a safe encoding.
pub(crate) fn is_safe(label: &[u8]) -> bool {
    Encoding::for_label(label).is_some_and(Encoding::is_ascii_compatible)
}

/// Returns whether a `meta` tag with these attributes declares an unsafe encoding.
pub(crate) fn is_declared_unsafe(attributes: &[(Vec<u8>, Vec<u8>)]) -> bool {
    attributes.iter().any(|(name, value)| match &name[..] {
        b"charset" => !is_safe(value),
        b"content" => {
            let content = String::from_utf8_lossy(value).to_ascii_lowercase();
            let is_type = |value: &[u8]| {
                // A character reference may hide the real value.
                value.trim_ascii().eq_ignore_ascii_case(b"content-type") || value.contains(&b'&')
            };
            attributes
                .iter()
                .any(|(name, value)| name == b"http-equiv" && is_type(value))
                && (content.contains('&')
                    || content
                        .split("charset")
                        .skip(1)
                        .any(|rest| !is_safe(label_after_charset(rest))))
        }
        _ => false,
    })
}

/// Returns the label after `charset` in a `meta` tag's content.
fn label_after_charset(rest: &str) -> &[u8] {
    let rest = rest
        .trim_start()
        .strip_prefix('=')
        .unwrap_or_default()
        .trim_start();
    let label = rest
        .trim_start_matches(['"', '\''])
        .split(['"', '\'', ';', ' ', '\t', '\n', '\x0c', '\r'])
        .next();
    label.unwrap_or_default().as_bytes()
}

/// Returns whether bytes could shift a decoder into another character set (ESC), or belong to
/// UTF-16 (NUL).
///
/// A browser may guess either encoding in a page that declares none. Chromium detects ISO-2022-JP
/// by its escapes.
pub(crate) fn may_shift(bytes: &[u8]) -> bool {
    memchr2(0x1B, 0, bytes).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_compatible_encodings_are_safe() {
        for label in [
            "utf-8",
            "UTF8",
            "unicode-1-1-utf-8",
            "us-ascii",
            "iso-8859-1",
            "latin1",
            "windows-1252",
            "x-user-defined",
            "shift_jis",
            "sjis",
            "windows-31j",
            "euc-jp",
            "euc-kr",
            "ks_c_5601-1987",
            "gbk",
            "gb2312",
            "gb18030",
            "big5",
            "big5-hkscs",
            "koi8-r",
            "ibm866",
            "macintosh",
            "iso-8859-8-i",
            "tis-620",
        ] {
            assert!(is_safe(label.as_bytes()), "{label}");
        }
        for label in [
            "iso-2022-jp",
            "csiso2022jp",
            "ISO-2022-JP",
            "iso-2022-kr",
            "csiso2022kr",
            "iso-2022-cn",
            "iso-2022-cn-ext",
            "hz-gb-2312",
            "hz",
            "utf-7",
            "utf7",
            "x-utf-7",
            "unicode-1-1-utf-7",
            "csunicode11utf7",
            "utf-16",
            "utf-16be",
            "utf-16le",
            "utf-32",
            "utf-32be",
            "ucs-2",
            "iso-10646-ucs-2",
            "unicode",
            "unicodefeff",
            "replacement",
            "ibm037",
            "cp037",
            "ebcdic-cp-us",
            "ibm1047",
            "scsu",
            "bocu-1",
            "utf-ebcdic",
            "iso-2022-jp-2",
            "iso-2022-jp-3",
            "jis",
            "x-imap4-modified-utf7",
            "",
            "none",
            "utf-8,iso-2022-jp",
        ] {
            assert!(!is_safe(label.as_bytes()), "{label}");
        }
    }

    #[test]
    fn every_charset_parameter_must_be_safe() {
        for (content_type, expected) in [
            ("text/html", DeclaredCharset::Nothing),
            ("text/html; level=1", DeclaredCharset::Nothing),
            ("text/html;charset=UTF-8", DeclaredCharset::Safe),
            ("text/html; charset=\"windows-1252\"", DeclaredCharset::Safe),
            ("text/html; Charset = utf-8", DeclaredCharset::Safe),
            ("text/html; charset='utf-8'", DeclaredCharset::Safe),
            ("text/html; charset=ISO-2022-JP", DeclaredCharset::Unsafe),
            (
                "text/html; charset=utf-8; charset=iso-2022-jp",
                DeclaredCharset::Unsafe,
            ),
            (
                "text/html; charset=iso-2022-jp; charset=utf-8",
                DeclaredCharset::Unsafe,
            ),
            (
                "text/html; a=\"; charset=utf-8\"; charset=utf-7",
                DeclaredCharset::Unsafe,
            ),
            (
                "text/html, text/html; charset=utf-8, charset=iso-2022-jp",
                DeclaredCharset::Unsafe,
            ),
            ("text/html charset=iso-2022-jp", DeclaredCharset::Unsafe),
            ("text/html; charset", DeclaredCharset::Unsafe),
            ("text/html; charset=", DeclaredCharset::Unsafe),
            ("text/html; charset=unknown-8bit", DeclaredCharset::Unsafe),
        ] {
            assert_eq!(declared(content_type), expected, "{content_type}");
        }
    }

    #[test]
    fn meta_tags_declare_by_charset_or_content_type() {
        let tag = |attributes: &[(&str, &str)]| {
            let owned = attributes
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            is_declared_unsafe(&owned.collect::<Vec<_>>())
        };
        assert!(!tag(&[("charset", "utf-8")]));
        assert!(!tag(&[("charset", " UTF-8 ")]));
        assert!(!tag(&[("name", "x"), ("content", "charset=iso-2022-jp")]));
        assert!(!tag(&[
            ("http-equiv", "Content-Type"),
            ("content", "text/html; charset=utf-8")
        ]));
        assert!(!tag(&[
            ("http-equiv", "refresh"),
            ("content", "1; url=/?charset=x")
        ]));
        assert!(tag(&[("charset", "iso-2022-jp")]));
        assert!(tag(&[("charset", "iso-2022&#45;jp")]));
        assert!(tag(&[
            ("http-equiv", "content-type"),
            ("content", "text/html;charset='ISO-2022-JP'")
        ]));
        assert!(tag(&[
            ("content", "text/html; charset = hz-gb-2312;x"),
            ("http-equiv", "Content-Type")
        ]));
        assert!(tag(&[
            ("http-equiv", "content&#45;type"),
            ("content", "text/html; ch&#97;rset=iso-2022-jp")
        ]));
    }
}

//! Request bodies: decompression and parsing of the encodings that clients use.

use std::io::Read;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use thiserror::Error;

use crate::rules::{MAX_BYTES, MAX_RECORDS};

/// Lenient base64: padding is optional, and surplus bits in the last character are ignored.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Error of reading a body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum BodyError {
    /// Number of bytes or records exceeds the limit of one request.
    #[error("request exceeds max limit of {MAX_BYTES} bytes or {MAX_RECORDS} records")]
    TooLarge,
    /// Body is declared as gzip but is not.
    #[error("gzip could not be decoded")]
    NotGzip,
    /// Body is neither JSON nor a form with `data`.
    #[error("data, missing or malformed: {0}")]
    Malformed(String),
}

/// Decompresses a body if it is gzip.
///
/// # Errors
///
/// [`BodyError::NotGzip`], or [`BodyError::TooLarge`] for the decompressed size.
pub(crate) fn decompress(bytes: &[u8], gzip: bool) -> Result<Vec<u8>, BodyError> {
    let mut plain = Vec::new();
    if gzip {
        let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
        MultiGzDecoder::new(bytes)
            .take(limit.saturating_add(1))
            .read_to_end(&mut plain)
            .map_err(|_| BodyError::NotGzip)?;
    } else {
        plain.extend_from_slice(bytes);
    }
    if plain.len() > MAX_BYTES {
        return Err(BodyError::TooLarge);
    }
    Ok(plain)
}

/// Parses the records of a JSON body: an array, one object, or one object on each line.
///
/// # Errors
///
/// [`BodyError::Malformed`] for invalid JSON, [`BodyError::TooLarge`] for too many records.
pub(crate) fn json(plain: &[u8], lines: bool) -> Result<Vec<Value>, BodyError> {
    let malformed = |error: serde_json::Error| BodyError::Malformed(error.to_string());
    let records = if lines {
        serde_json::Deserializer::from_slice(plain)
            .into_iter()
            .collect::<Result<Vec<Value>, _>>()
            .map_err(malformed)?
    } else {
        match serde_json::from_slice(plain).map_err(malformed)? {
            Value::Array(records) => records,
            record => vec![record],
        }
    };
    if records.len() > MAX_RECORDS {
        return Err(BodyError::TooLarge);
    }
    Ok(records)
}

/// Parses the records in a form's `data`: JSON, or JSON in base64. Parses any other body as JSON.
///
/// # Errors
///
/// Same as [`json`].
pub(crate) fn form(plain: &[u8]) -> Result<Vec<Value>, BodyError> {
    let data = url::form_urlencoded::parse(plain).find(|(name, _)| name == "data");
    let Some((_, data)) = data else {
        return json(plain, false);
    };
    let records = json(data.as_bytes(), false);
    if !matches!(records, Err(BodyError::Malformed(_))) {
        return records;
    }
    // A client that did not percent-encode its plus signs sent spaces.
    let base64 = data.trim().replace(' ', "+");
    match BASE64.decode(base64) {
        // mixpanel-js encodes characters beyond the BMP as two surrogates, which is invalid UTF-8.
        Ok(decoded) => json(String::from_utf8_lossy(&decoded).as_bytes(), false),
        Err(_) => records,
    }
}

/// Decodes user and password of an `Authorization: Basic` header.
#[must_use]
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(credentials.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn urlencoded(data: &str) -> Vec<u8> {
        let encoded: String = url::form_urlencoded::byte_serialize(data.as_bytes()).collect();
        format!("data={encoded}&ip=1").into_bytes()
    }

    #[test]
    fn decompression_stops_at_the_size_limit() {
        let oversized = gzip(&vec![b' '; MAX_BYTES + 1]);
        assert_eq!(decompress(&oversized, true), Err(BodyError::TooLarge));
        assert_eq!(decompress(b"{}", true), Err(BodyError::NotGzip));
    }

    #[test]
    fn json_parses_arrays_objects_and_lines() {
        let both = vec![json!({"a": 1}), json!({"a": 2})];
        assert_eq!(json(br#"[{"a":1},{"a":2}]"#, false), Ok(both.clone()));
        assert_eq!(json(b"{\"a\":1}\n\n{\"a\":2}\n", true), Ok(both));
        assert_eq!(json(br#"{"a":1}"#, false), Ok(vec![json!({"a": 1})]));
    }

    #[test]
    fn json_rejects_more_than_2000_records() {
        let many = serde_json::to_vec(&vec![json!({}); MAX_RECORDS + 1]).unwrap();
        assert_eq!(json(&many, false), Err(BodyError::TooLarge));
    }

    #[test]
    fn form_parses_json_and_base64() {
        let event = json!({"event": "naïve + ünïcode 🎉"});
        let text = event.to_string();
        assert_eq!(form(&urlencoded(&text)), Ok(vec![event.clone()]));
        assert_eq!(
            form(&urlencoded(&BASE64.encode(&text))),
            Ok(vec![event.clone()])
        );
        let unescaped = format!("data={}", BASE64.encode(&text));
        assert_eq!(form(unescaped.as_bytes()), Ok(vec![event]));
        assert!(matches!(form(b"data=?"), Err(BodyError::Malformed(_))));
    }

    #[test]
    fn basic_decodes_user_and_password() {
        let header = format!("basic {}", BASE64.encode("token:"));
        assert_eq!(basic(&header), Some(("token".into(), String::new())));
        assert_eq!(basic("Bearer abc"), None);
        assert_eq!(basic("Basic !!!"), None);
    }

    proptest! {
        #[test]
        fn parsers_never_panic(bytes: Vec<u8>) {
            let _ = form(&bytes);
            let _ = json(&bytes, true);
            let _ = decompress(&bytes, true);
        }

        #[test]
        fn form_keeps_any_text(text: String) {
            let event = json!({"event": text});
            prop_assert_eq!(form(&urlencoded(&event.to_string())), Ok(vec![event]));
        }
    }
}

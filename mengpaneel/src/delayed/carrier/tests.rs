use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::call::{Call, Calls, Method};

fn payload(events: usize) -> DelayedPayload {
    let call = Call::new(
        Method::Track,
        vec![json!("Sign In"), json!({"</script>": "ü \u{2028}; a=b"})],
    );
    DelayedPayload {
        id: Uuid::now_v7(),
        calls: Calls {
            tracking: vec![call; events],
            ..Calls::default()
        },
    }
}

fn carrier() -> Carrier {
    Carrier::new("mengpaneel_delayed_calls", &Key::from(&[7; 64]))
}

/// Returns the `Cookie` header that a browser sends after these `Set-Cookie` lines.
fn cookie_header(lines: &[&HeaderValue]) -> HeaderValue {
    let pairs: Vec<_> = lines
        .iter()
        .map(|line| line.to_str().unwrap().split_once(';').unwrap().0)
        .collect();
    HeaderValue::try_from(pairs.join("; ")).unwrap()
}

fn decrypted(carrier: &Carrier, cookies: &[HeaderValue]) -> Vec<DelayedPayload> {
    carrier
        .read(cookies)
        .into_iter()
        .filter_map(|cookie| cookie.payload.ok())
        .collect()
}

#[test]
fn payload_survives_encryption() {
    let (carrier, payload) = (carrier(), payload(2));
    let line = carrier.cookie(&payload, &[], true).unwrap();
    assert_eq!(decrypted(&carrier, &[cookie_header(&[&line])]), [payload]);
    let (pair, attributes) = line.to_str().unwrap().split_once("; ").unwrap();
    assert!(pair.starts_with("mengpaneel_delayed_calls."), "{pair}");
    assert_eq!(
        attributes,
        "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=345600"
    );
}

#[test]
fn other_keys_and_renamed_cookies_are_refused() {
    let (carrier, payload) = (carrier(), payload(1));
    let line = carrier.cookie(&payload, &[], false).unwrap();
    let text = line.to_str().unwrap().replace("calls.0=", "calls.1=");
    let renamed = HeaderValue::try_from(text).unwrap();
    assert!(
        decrypted(&carrier, &[cookie_header(&[&renamed])]).is_empty(),
        "a value is bound to its name"
    );
    let other = Carrier::new("mengpaneel_delayed_calls", &Key::from(&[8; 64]));
    assert!(decrypted(&other, &[cookie_header(&[&line])]).is_empty());
    let underived = Carrier {
        key: Key::from(&[7; 64]),
        ..self::carrier()
    };
    assert!(
        decrypted(&underived, &[cookie_header(&[&line])]).is_empty(),
        "the application's key must not be used directly"
    );
}

#[test]
fn cookie_of_a_second_mengpaneel_is_not_read() {
    let second = Carrier::new("mengpaneel_delayed_calls_marketing", &Key::from(&[7; 64]));
    let line = second.cookie(&payload(1), &[], false).unwrap();
    assert!(!carrier().has_cookie(&[cookie_header(&[&line])]));
}

#[test]
fn number_of_cookies_is_bounded_and_slots_differ() {
    let carrier = carrier();
    let lines: Vec<_> = (0..SLOTS)
        .map(|_| carrier.cookie(&payload(1), &[], false).unwrap())
        .collect();
    let cookies = [cookie_header(&lines.iter().collect::<Vec<_>>())];
    assert_eq!(
        decrypted(&carrier, &cookies).len(),
        SLOTS,
        "concurrent requests must use different slots"
    );
    assert_eq!(
        carrier.cookie(&payload(1), &cookies, false),
        Err(CarrierError::NoFreeSlot)
    );
}

#[test]
fn free_slot_is_found_from_any_first_slot() {
    let carrier = carrier();
    let lines: Vec<_> = (0..SLOTS - 1)
        .map(|_| carrier.cookie(&payload(1), &[], false).unwrap())
        .collect();
    let cookies = [cookie_header(&lines.iter().collect::<Vec<_>>())];
    for _ in 0..SLOTS {
        let line = carrier.cookie(&payload(1), &cookies, false).unwrap();
        assert!(
            line.to_str()
                .unwrap()
                .starts_with("mengpaneel_delayed_calls.3=")
        );
    }
}

#[test]
fn undecryptable_cookie_is_replaced_if_no_slot_is_free() {
    let carrier = carrier();
    let line = carrier.cookie(&payload(1), &[], false).unwrap();
    let cookies = format!(
        "{}; mengpaneel_delayed_calls.1=x",
        cookie_header(&[&line]).to_str().unwrap()
    );
    let cookies = [
        cookies.as_str(),
        "mengpaneel_delayed_calls.2=y; mengpaneel_delayed_calls.3=",
    ];
    let cookies = cookies.map(|header| HeaderValue::from_str(header).unwrap());
    let line = carrier.cookie(&payload(1), &cookies, false).unwrap();
    assert!(
        !line
            .to_str()
            .unwrap()
            .starts_with("mengpaneel_delayed_calls.0=")
    );
}

#[test]
fn sizes_of_a_cookie_and_of_all_cookies_are_bounded() {
    let carrier = carrier();
    assert!(matches!(
        carrier.cookie(&payload(100), &[], false),
        Err(CarrierError::PayloadTooLarge(_))
    ));
    let cookies = [HeaderValue::try_from(format!("app={}", "x".repeat(6_000))).unwrap()];
    assert!(matches!(
        carrier.cookie(&payload(1), &cookies, false),
        Err(CarrierError::TooManyCookies(_))
    ));
}

#[test]
fn payload_older_than_its_cookie_is_refused() {
    let created = now_ms() - 5 * 24 * 3_600_000;
    let timestamp = uuid::Timestamp::from_unix(uuid::NoContext, created / 1_000, 0);
    let old = DelayedPayload {
        id: Uuid::new_v7(timestamp),
        ..payload(1)
    };
    let line = carrier().cookie(&old, &[], false).unwrap();
    let cookies = carrier().read(&[cookie_header(&[&line])]);
    assert!(matches!(cookies[0].payload, Err(DecodeError::Expired)));
}

#[test]
fn payloads_are_read_oldest_first() {
    let carrier = carrier();
    let (first, second) = (payload(1), payload(2));
    let lines = [&second, &first].map(|payload| carrier.cookie(payload, &[], false).unwrap());
    assert_eq!(
        decrypted(&carrier, &[cookie_header(&[&lines[0], &lines[1]])]),
        [first, second]
    );
}

#[test]
fn planted_cookie_of_same_name_hides_no_payload() {
    let (carrier, payload) = (carrier(), payload(1));
    let line = carrier.cookie(&payload, &[], false).unwrap();
    let header = cookie_header(&[&line]).to_str().unwrap().to_owned();
    for cookies in [
        format!("mengpaneel_delayed_calls.0=planted; {header}"),
        format!("{header}; mengpaneel_delayed_calls.0="),
    ] {
        assert_eq!(
            decrypted(&carrier, &[HeaderValue::try_from(cookies).unwrap()]),
            std::slice::from_ref(&payload)
        );
    }
}

proptest! {
    #[test]
    fn bytes_around_a_carrier_cookie_hide_no_payload(
        before in proptest::collection::vec(any::<u8>(), 0..20),
        after in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let (carrier, payload) = (carrier(), payload(1));
        let line = carrier.cookie(&payload, &[], false).unwrap();
        let header = [&before, &b"; "[..], cookie_header(&[&line]).as_bytes(), b"; ", &after].concat();
        if let Ok(header) = HeaderValue::from_bytes(&header) {
            prop_assert_eq!(decrypted(&carrier, &[header]), [payload]);
        }
    }
}

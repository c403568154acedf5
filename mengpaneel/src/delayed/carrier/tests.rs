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

/// `Cookie` header that a browser sends after these `Set-Cookie` lines.
fn sent(lines: &[&HeaderValue]) -> HeaderValue {
    let pairs: Vec<_> = lines
        .iter()
        .map(|line| line.to_str().unwrap().split_once(';').unwrap().0)
        .collect();
    HeaderValue::try_from(pairs.join("; ")).unwrap()
}

fn opened(carrier: &Carrier, cookies: &[HeaderValue]) -> Vec<DelayedPayload> {
    carrier
        .read(cookies)
        .into_iter()
        .filter_map(|cookie| cookie.payload.ok())
        .collect()
}

#[test]
fn payload_comes_back_as_it_was_written() {
    let (carrier, payload) = (carrier(), payload(2));
    let line = carrier.cookie(&payload, &[], true).unwrap();
    assert_eq!(opened(&carrier, &[sent(&[&line])]), [payload]);
    let (pair, attributes) = line.to_str().unwrap().split_once("; ").unwrap();
    assert!(pair.starts_with("mengpaneel_delayed_calls."), "{pair}");
    assert_eq!(
        attributes,
        "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=345600"
    );
}

#[test]
fn other_keys_and_changed_cookies_are_refused() {
    let (carrier, payload) = (carrier(), payload(1));
    let line = carrier.cookie(&payload, &[], false).unwrap();
    let text = line.to_str().unwrap().replace("calls.0=", "calls.1=");
    let moved = HeaderValue::try_from(text).unwrap();
    assert!(
        opened(&carrier, &[sent(&[&moved])]).is_empty(),
        "a value belongs to its name"
    );
    let other = Carrier::new("mengpaneel_delayed_calls", &Key::from(&[8; 64]));
    assert!(opened(&other, &[sent(&[&line])]).is_empty());
    let underived = Carrier {
        key: Key::from(&[7; 64]),
        ..self::carrier()
    };
    assert!(
        opened(&underived, &[sent(&[&line])]).is_empty(),
        "the application's key is not used itself"
    );
}

#[test]
fn cookie_of_a_second_mengpaneel_is_not_read() {
    let second = Carrier::new("mengpaneel_delayed_calls_marketing", &Key::from(&[7; 64]));
    let line = second.cookie(&payload(1), &[], false).unwrap();
    assert!(!carrier().has_cookie(&[sent(&[&line])]));
}

#[test]
fn number_of_cookies_is_bounded_and_slots_differ() {
    let carrier = carrier();
    let lines: Vec<_> = (0..SLOTS)
        .map(|_| carrier.cookie(&payload(1), &[], false).unwrap())
        .collect();
    let brought = [sent(&lines.iter().collect::<Vec<_>>())];
    assert_eq!(
        opened(&carrier, &brought).len(),
        SLOTS,
        "requests at once take different slots"
    );
    assert_eq!(
        carrier.cookie(&payload(1), &brought, false),
        Err(CarrierError::NoFreeSlot)
    );
}

#[test]
fn free_slot_is_found_whichever_is_tried_first() {
    let carrier = carrier();
    let lines: Vec<_> = (0..SLOTS - 1)
        .map(|_| carrier.cookie(&payload(1), &[], false).unwrap())
        .collect();
    let brought = [sent(&lines.iter().collect::<Vec<_>>())];
    for _ in 0..SLOTS {
        let line = carrier.cookie(&payload(1), &brought, false).unwrap();
        assert!(
            line.to_str()
                .unwrap()
                .starts_with("mengpaneel_delayed_calls.3=")
        );
    }
}

#[test]
fn unreadable_cookie_gives_way_where_no_slot_is_free() {
    let carrier = carrier();
    let line = carrier.cookie(&payload(1), &[], false).unwrap();
    let brought = format!(
        "{}; mengpaneel_delayed_calls.1=x",
        sent(&[&line]).to_str().unwrap()
    );
    let brought = [
        brought.as_str(),
        "mengpaneel_delayed_calls.2=y; mengpaneel_delayed_calls.3=",
    ];
    let brought = brought.map(|header| HeaderValue::from_str(header).unwrap());
    let line = carrier.cookie(&payload(1), &brought, false).unwrap();
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
    let brought = [HeaderValue::try_from(format!("own={}", "x".repeat(6_000))).unwrap()];
    assert!(matches!(
        carrier.cookie(&payload(1), &brought, false),
        Err(CarrierError::TooManyCookies(_))
    ));
}

#[test]
fn payload_that_outlived_its_cookie_is_refused() {
    let created = now_ms() - 5 * 24 * 3_600_000;
    let timestamp = uuid::Timestamp::from_unix(uuid::NoContext, created / 1_000, 0);
    let old = DelayedPayload {
        id: Uuid::new_v7(timestamp),
        ..payload(1)
    };
    let line = carrier().cookie(&old, &[], false).unwrap();
    let read = carrier().read(&[sent(&[&line])]);
    assert!(matches!(read[0].payload, Err(DecodeError::Expired)));
}

#[test]
fn payloads_are_read_oldest_first() {
    let carrier = carrier();
    let (first, second) = (payload(1), payload(2));
    let lines = [&second, &first].map(|payload| carrier.cookie(payload, &[], false).unwrap());
    assert_eq!(
        opened(&carrier, &[sent(&[&lines[0], &lines[1]])]),
        [first, second]
    );
}

#[test]
fn planted_cookie_of_the_same_name_hides_none() {
    let (carrier, payload) = (carrier(), payload(1));
    let line = carrier.cookie(&payload, &[], false).unwrap();
    let sent = sent(&[&line]).to_str().unwrap().to_owned();
    for cookies in [
        format!("mengpaneel_delayed_calls.0=planted; {sent}"),
        format!("{sent}; mengpaneel_delayed_calls.0="),
    ] {
        assert_eq!(
            opened(&carrier, &[HeaderValue::try_from(cookies).unwrap()]),
            std::slice::from_ref(&payload)
        );
    }
}

proptest! {
    #[test]
    fn bytes_around_a_carrier_cookie_hide_nothing(
        before in proptest::collection::vec(any::<u8>(), 0..20),
        after in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let (carrier, payload) = (carrier(), payload(1));
        let line = carrier.cookie(&payload, &[], false).unwrap();
        let header = [&before, &b"; "[..], sent(&[&line]).as_bytes(), b"; ", &after].concat();
        if let Ok(header) = HeaderValue::from_bytes(&header) {
            prop_assert_eq!(opened(&carrier, &[header]), [payload]);
        }
    }
}

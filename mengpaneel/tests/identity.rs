//! Identity: the IDs that handlers, jobs and handles of users can read.
#![allow(missing_docs, reason = "tests")]

use std::borrow::Cow;
use std::num::NonZero;

use actix_web::http::header;
use actix_web::test::{TestRequest, call_and_read_body_json, init_service};
use actix_web::{App, get, web};
use mengpaneel::{Id, Mengpaneel, Mixpanel, before_setup, setup, tracking};
use serde_json::{Value, json};
use stand_in::StandIn;
use uuid::Uuid;

/// Cookie of an anonymous visitor: `{"distinct_id":"$device:abc","$device_id":"abc"}`.
const ANONYMOUS: &str = "mp_demo_mixpanel=%7B%22distinct_id%22%3A%22%24device%3Aabc%22%2C%22%24device_id%22%3A%22abc%22%7D";
/// Cookie of user 42 on the same device, whose `distinct_id` is still that of the device.
const KNOWN: &str = "mp_demo_mixpanel=%7B%22distinct_id%22%3A%22%24device%3Aabc%22%2C%22%24device_id%22%3A%22abc%22\
                     %2C%22%24user_id%22%3A%2242%22%7D";

fn build(stand_in: &StandIn) -> Mengpaneel {
    let builder = Mengpaneel::builder("demo").api_host(stand_in.url());
    builder.build().unwrap()
}

fn ids(mixpanel: &Mixpanel) -> Value {
    json!([mixpanel.distinct_id(), mixpanel.device_id()])
}

#[get("/ids")]
async fn read_ids(mixpanel: Mixpanel) -> web::Json<Value> {
    let initial = ids(&mixpanel);
    mixpanel.setup(|mixpanel| mixpanel.identify(7));
    let after_setup = ids(&mixpanel);
    mixpanel.identify("8");
    let identified = ids(&mixpanel);
    mixpanel.reset();
    web::Json(json!([initial, after_setup, identified, ids(&mixpanel)]))
}

async fn ids_of_request(request: TestRequest) -> Value {
    let stand_in = StandIn::start();
    let app = init_service(App::new().service(read_ids).wrap(build(&stand_in))).await;
    call_and_read_body_json(&app, request.uri("/ids").to_request()).await
}

#[actix_web::test]
async fn ids_come_from_the_cookie_until_identify_is_called() {
    let ids_of_cookie = |cookie: &str| {
        ids_of_request(TestRequest::default().insert_header((header::COOKIE, cookie)))
    };
    let unknown = json!([null, null]);
    assert_eq!(
        ids_of_cookie(ANONYMOUS).await,
        json!([["$device:abc", "abc"], ["7", "abc"], ["8", "abc"], unknown]),
        "an anonymous visitor"
    );
    assert_eq!(
        ids_of_cookie(KNOWN).await,
        json!([["42", "abc"], ["7", "abc"], ["8", "abc"], unknown]),
        "a user"
    );
    assert_eq!(
        ids_of_cookie("other=1").await,
        json!([unknown, ["7", null], ["8", null], unknown]),
        "a first request"
    );
}

#[actix_web::test]
async fn ids_of_a_visitor_without_consent_are_unknown() {
    let request = TestRequest::default()
        .insert_header((header::COOKIE, KNOWN))
        .insert_header(("dnt", "1"));
    let unknown = json!([null, null]);
    assert_eq!(
        ids_of_request(request).await,
        json!([unknown, unknown, unknown, unknown])
    );
}

#[actix_web::test]
async fn ids_of_jobs_and_user_handles_are_known_after_identify() {
    let stand_in = StandIn::start();
    let mengpaneel = build(&stand_in);
    let job = async {
        let initial = ids(&mengpaneel::current());
        mengpaneel::before_setup(|mixpanel| mixpanel.identify(1));
        let before_setup = ids(&mengpaneel::current());
        mengpaneel::setup(|mixpanel| mixpanel.identify(2));
        (
            json!([initial, before_setup, ids(&mengpaneel::current())]),
            mengpaneel::current(),
        )
    };
    let (read, after) = mengpaneel.scope(job).await;
    assert_eq!(read, json!([[null, null], ["1", null], ["2", null]]));
    assert_eq!(ids(&after), json!(["2", null]), "after the job");

    let user = mengpaneel.as_user(42);
    assert_eq!(ids(&user), json!(["42", null]));
    user.identify(43);
    assert_eq!(ids(&user), json!(["43", null]));
    user.reset();
    assert_eq!(ids(&user), json!([null, null]));

    let disabled = Mengpaneel::builder("").build().unwrap();
    assert_eq!(
        ids(&disabled.as_user(42)),
        json!([null, null]),
        "without a token"
    );
    assert_eq!(
        ids(&mengpaneel::current()),
        json!([null, null]),
        "outside of any scope"
    );
}

struct AccountId(u64);

impl Id for AccountId {
    fn to_id(&self) -> Cow<'_, str> {
        self.0.to_id()
    }
}

struct Account {
    id: AccountId,
    key: Uuid,
    name: String,
    company_ids: Vec<u32>,
    spent: f64,
}

#[setup(identify(account.id), set_group("company", account.company_ids), add_group("team", account.key))]
#[before_setup(alias(account.name))]
#[tracking(people.increment("Spent", account.spent), people.increment("Visits" = 1, "Points" = points))]
#[tracking(get_group("company", account.company_ids[0]).set("Plan" = "Pro"))]
fn by_attribute(account: &Account, points: NonZero<u8>) {}

fn by_call(account: &Account, points: NonZero<u8>) {
    mengpaneel::before_setup(|mixpanel| mixpanel.alias(&account.name));
    mengpaneel::setup(|mixpanel| {
        mixpanel.identify(&account.id);
        mixpanel.set_group("company", &account.company_ids);
        mixpanel.add_group("team", account.key);
    });
    mengpaneel::people().increment("Spent", account.spent);
    mengpaneel::current().call_method(
        &["people", "increment"],
        [json!({"Visits": 1, "Points": points})],
    );
    mengpaneel::get_group("company", account.company_ids[0]).set(json!({"Plan": "Pro"}));
}

#[test]
fn ids_and_amounts_are_equal_by_attribute_and_by_call() {
    let key = "0199f0a2-7c3b-7e11-9d55-0123456789ab";
    let account = Account {
        id: AccountId(u64::MAX),
        key: key.parse().unwrap(),
        name: "ada".to_owned(),
        company_ids: vec![1, 2],
        spent: 12.5,
    };
    let points = NonZero::new(3).unwrap();
    let ((), calls) = mengpaneel::testing::record(|| by_attribute(&account, points));
    assert_eq!(
        serde_json::to_value(&calls).unwrap(),
        json!({
            "before_setup": [[["alias"], ["ada"]]],
            "setup": [
                [["identify"], ["18446744073709551615"]],
                [["set_group"], ["company", ["1", "2"]]],
                [["add_group"], ["team", key]],
            ],
            "tracking": [
                [["people", "increment"], [{"Spent": 12.5}]],
                [["people", "increment"], [{"Visits": 1, "Points": 3}]],
                [["get_group", "set"], ["company", "1", {"Plan": "Pro"}]],
            ],
        })
    );
    let ((), calls_by_call) = mengpaneel::testing::record(|| by_call(&account, points));
    assert_eq!(calls_by_call, calls);
}

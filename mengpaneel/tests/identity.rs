//! Who is there, as handlers and jobs can read it; and the places that reports of misuse name.
#![allow(missing_docs, reason = "tests")]

use std::borrow::Cow;
use std::num::NonZero;
use std::sync::{Arc, Mutex};

use actix_web::http::header;
use actix_web::test::{TestRequest, call_and_read_body_json, call_service, init_service};
use actix_web::{App, HttpResponse, get, web};
use mengpaneel::{Id, Mengpaneel, Mixpanel, before_setup, setup, track, tracking};
use serde::{Serialize, Serializer, ser};
use serde_json::{Value, json};
use stand_in::StandIn;
use uuid::Uuid;

/// `{"distinct_id":"$device:abc","$device_id":"abc"}`
const ANONYMOUS: &str = "mp_demo_mixpanel=%7B%22distinct_id%22%3A%22%24device%3Aabc%22%2C%22%24device_id%22%3A%22abc%22%7D";
/// The same of user 42, whose `distinct_id` is still that of the device.
const KNOWN: &str = "mp_demo_mixpanel=%7B%22distinct_id%22%3A%22%24device%3Aabc%22%2C%22%24device_id%22%3A%22abc%22\
                     %2C%22%24user_id%22%3A%2242%22%7D";

type Reports = Arc<Mutex<Vec<String>>>;

fn build(stand_in: &StandIn) -> (Mengpaneel, Reports) {
    let reports = Reports::default();
    let hook = Arc::clone(&reports);
    let builder = Mengpaneel::builder("demo").api_host(stand_in.url());
    let builder =
        builder.on_error(move |failure| hook.lock().unwrap().push(failure.reason.to_string()));
    (builder.build().unwrap(), reports)
}

fn ids(mixpanel: &Mixpanel) -> Value {
    json!([mixpanel.distinct_id(), mixpanel.device_id()])
}

#[get("/ids")]
async fn read_ids(mixpanel: Mixpanel) -> web::Json<Value> {
    let at_first = ids(&mixpanel);
    mixpanel.setup(|mixpanel| mixpanel.identify(7));
    let set_up = ids(&mixpanel);
    mixpanel.identify("8");
    let identified = ids(&mixpanel);
    mixpanel.reset();
    web::Json(json!([at_first, set_up, identified, ids(&mixpanel)]))
}

async fn ids_of_request(request: TestRequest) -> Value {
    let stand_in = StandIn::start();
    let app = init_service(App::new().service(read_ids).wrap(build(&stand_in).0)).await;
    call_and_read_body_json(&app, request.uri("/ids").to_request()).await
}

#[actix_web::test]
async fn ids_are_those_of_the_cookie_until_somebody_is_identified() {
    let of = |cookie: &str| {
        ids_of_request(TestRequest::default().insert_header((header::COOKIE, cookie)))
    };
    let (nobody, forgotten) = (json!([null, null]), json!([null, null]));
    assert_eq!(
        of(ANONYMOUS).await,
        json!([
            ["$device:abc", "abc"],
            ["7", "abc"],
            ["8", "abc"],
            forgotten
        ]),
        "an anonymous visitor"
    );
    assert_eq!(
        of(KNOWN).await,
        json!([["42", "abc"], ["7", "abc"], ["8", "abc"], forgotten]),
        "a user"
    );
    assert_eq!(
        of("other=1").await,
        json!([nobody, ["7", null], ["8", null], forgotten]),
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
async fn ids_of_jobs_and_users_are_known_once_they_are_given() {
    let stand_in = StandIn::start();
    let (mengpaneel, _) = build(&stand_in);
    let job = async {
        let at_first = ids(&mengpaneel::current());
        mengpaneel::before_setup(|mixpanel| mixpanel.identify(1));
        let before_setup = ids(&mengpaneel::current());
        mengpaneel::setup(|mixpanel| mixpanel.identify(2));
        (
            json!([at_first, before_setup, ids(&mengpaneel::current())]),
            mengpaneel::current(),
        )
    };
    let (read, late) = mengpaneel.scope(job).await;
    assert_eq!(read, json!([[null, null], ["1", null], ["2", null]]));
    assert_eq!(ids(&late), json!(["2", null]), "after the job");

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

fn by_hand(account: &Account, points: NonZero<u8>) {
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
fn ids_and_amounts_are_equal_by_attribute_and_by_hand() {
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
    let ((), calls_by_hand) = mengpaneel::testing::record(|| by_hand(&account, points));
    assert_eq!(calls_by_hand, calls);
}

/// What no JSON can be made of.
struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("refused"))
    }
}

const ATTRIBUTES: u32 = line!();
#[track("Value", "Plan" = 1, "Bad" = Refuses)]
#[tracking(people.increment("Visits" = f64::NAN), people.set(..Refuses))]
#[before_setup(alias(id))]
#[setup(identify(id))]
fn misuse_by_attribute(id: &str) {}

#[tracking(track("Value", "Bad" = Refuses))]
#[get("/bad/{id}")]
async fn misuse_in_a_handler() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Lines of this file that the reports name, in their order.
fn lines(reports: &Reports) -> Vec<u32> {
    let line = |report: &String| {
        let (_, rest) = report
            .split_once("tests/identity.rs:")
            .unwrap_or_else(|| panic!("no place: {report}"));
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..end].parse().unwrap()
    };
    reports.lock().unwrap().iter().map(line).collect()
}

#[actix_web::test]
async fn reports_name_the_line_of_the_attribute() {
    let stand_in = StandIn::start();
    let (mengpaneel, reports) = build(&stand_in);
    let job = async {
        misuse_by_attribute("undefined");
        lines(&reports)
    };
    // Values are captured first. Behind an `identify` that was rejected, profile calls are reported
    // too.
    assert_eq!(
        mengpaneel.scope(job).await,
        [1, 2, 2, 3, 4, 2].map(|line| ATTRIBUTES + line)
    );
}

#[actix_web::test]
async fn reports_name_the_route_of_the_handler() {
    let stand_in = StandIn::start();
    let (mengpaneel, reports) = build(&stand_in);
    let app = init_service(App::new().service(misuse_in_a_handler).wrap(mengpaneel)).await;
    call_service(&app, TestRequest::with_uri("/bad/1").to_request()).await;
    let reports = reports.lock().unwrap();
    assert!(
        matches!(&reports[..], [report] if report.contains("(GET /bad/{id}) cannot be written")),
        "{reports:?}"
    );
}

#[actix_web::test]
async fn reports_name_the_line_of_the_caller() {
    let stand_in = StandIn::start();
    let (mengpaneel, reports) = build(&stand_in);
    let job = async {
        mengpaneel::setup(|mixpanel| mixpanel.identify(42));
        let begin = line!();
        mengpaneel::track("Event", Refuses);
        mengpaneel::track("Event", [1, 2]);
        mengpaneel::track_pageview(Refuses);
        mengpaneel::track_with_groups("Event", (), Refuses);
        mengpaneel::register(Refuses);
        mengpaneel::people().set(Refuses);
        mengpaneel::people().append("List", Refuses);
        mengpaneel::people().increment("Visits", f64::INFINITY);
        mengpaneel::people().track_charge(1.0, Refuses);
        mengpaneel::get_group("company", "acme").union("List", Refuses);
        mengpaneel::get_group("company", "").set(json!({"Plan": "Pro"}));
        mengpaneel::set_group("company", ["", "acme"]);
        mengpaneel::add_group("company", "null");
        mengpaneel::current().call_method(&["a", "b", "c"], [1]);
        mengpaneel::current().call_method(&["name_tag"], [Refuses]);
        mengpaneel::identify("0");
        mengpaneel::people().unset("Plan");
        // Before the delivery reports what it cannot send.
        (begin, lines(&reports))
    };
    let (begin, lines) = mengpaneel.scope(job).await;
    assert_eq!(
        lines,
        (begin + 1..=begin + 17).collect::<Vec<_>>(),
        "{reports:#?}"
    );
}

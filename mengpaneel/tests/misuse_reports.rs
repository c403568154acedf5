//! Reports of misuse: each names the line or the route of the call.
#![allow(missing_docs, reason = "tests")]

use std::sync::{Arc, Mutex};

use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, get};
use mengpaneel::{Mengpaneel, before_setup, setup, track, tracking};
use serde::{Serialize, Serializer, ser};
use serde_json::json;
use stand_in::StandIn;

type Reports = Arc<Mutex<Vec<String>>>;

/// Returns a Mengpaneel, and the reasons of the failures that its `on_error` receives.
fn build(stand_in: &StandIn) -> (Mengpaneel, Reports) {
    let reports = Reports::default();
    let hook = Arc::clone(&reports);
    let builder = Mengpaneel::builder("demo").api_host(stand_in.url());
    let builder =
        builder.on_error(move |failure| hook.lock().unwrap().push(failure.reason.to_string()));
    (builder.build().unwrap(), reports)
}

/// Value that cannot be serialised.
struct Unserializable;

impl Serialize for Unserializable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("refused"))
    }
}

const ATTRIBUTES: u32 = line!();
#[track("Value", "Plan" = 1, "Bad" = Unserializable)]
#[tracking(people.increment("Visits" = f64::NAN), people.set(..Unserializable))]
#[before_setup(alias(id))]
#[setup(identify(id))]
fn misuse_by_attribute(id: &str) {}

#[tracking(track("Value", "Bad" = Unserializable))]
#[get("/bad/{id}")]
async fn misuse_in_a_handler() -> HttpResponse {
    HttpResponse::Ok().finish()
}

/// Returns the lines of this file that the reports name, in order.
fn lines(reports: &Reports) -> Vec<u32> {
    let line = |report: &String| {
        let (_, rest) = report
            .split_once("tests/misuse_reports.rs:")
            .unwrap_or_else(|| panic!("no line: {report}"));
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
    // Values are captured first. After an `identify` that was rejected, profile calls are reported
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
        matches!(&reports[..], [report] if report.contains("(GET /bad/{id}) cannot be serialised")),
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
        mengpaneel::track("Event", Unserializable);
        mengpaneel::track("Event", [1, 2]);
        mengpaneel::track_pageview(Unserializable);
        mengpaneel::track_with_groups("Event", (), Unserializable);
        mengpaneel::register(Unserializable);
        mengpaneel::people().set(Unserializable);
        mengpaneel::people().append("List", Unserializable);
        mengpaneel::people().increment("Visits", f64::INFINITY);
        mengpaneel::people().track_charge(1.0, Unserializable);
        mengpaneel::get_group("company", "acme").union("List", Unserializable);
        mengpaneel::get_group("company", "").set(json!({"Plan": "Pro"}));
        mengpaneel::set_group("company", ["", "acme"]);
        mengpaneel::add_group("company", "null");
        mengpaneel::current().call_method(&["a", "b", "c"], [1]);
        mengpaneel::current().call_method(&["name_tag"], [Unserializable]);
        mengpaneel::identify("0");
        mengpaneel::people().unset("Plan");
        // The lines are read before the delivery reports failures as well.
        (begin, lines(&reports))
    };
    let (begin, lines) = mengpaneel.scope(job).await;
    assert_eq!(
        lines,
        (begin + 1..=begin + 17).collect::<Vec<_>>(),
        "{reports:#?}"
    );
}

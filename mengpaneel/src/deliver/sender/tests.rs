use serde_json::json;

use super::*;
use crate::call::{Call, Calls, Method};
use crate::deliver::http::{Credentials, HttpConfig};
use crate::record::envelope::Envelope;
use crate::record::visitor::Visitor;

fn sender() -> Sender {
    let http = HttpClient::new(HttpConfig {
        token: "t".into(),
        api_host: "http://127.0.0.1:9".into(),
        credentials: Credentials::Token,
        timeout: Duration::from_secs(1),
    });
    let (token, reporter) = ("t".to_owned(), ErrorReporter::default());
    Sender::new(token, http.unwrap(), reporter, Duration::MAX, None)
}

fn set_plan(plan: &str) -> Record {
    let identify = Call::new(Method::Identify, vec![json!("7")]);
    let set = Call::new(Method::PeopleSet, vec![json!({"Plan": plan})]);
    let calls = Calls {
        tracking: vec![identify, set],
        ..Calls::default()
    };
    Record::new(&Envelope::new(Visitor::default(), calls))
}

/// Returns the messages of a record.
fn messages(sender: &Sender, record: &Record) -> Vec<Message> {
    let (mut partitions, mut outgoing) = (Partitions::default(), Vec::new());
    let push = |message: Outgoing| outgoing.push(message);
    let tried = sender.add_messages(record, &mut partitions, push).unwrap();
    let decode = |message| decode_message(record, &tried, message, &partitions).unwrap();
    outgoing.iter().map(decode).collect()
}

#[test]
fn profile_of_a_tried_record_replaces_the_remembered_one() {
    let (sender, free, pro) = (sender(), set_plan("Free"), set_plan("Pro"));
    let tried = free.after_attempt(&messages(&sender, &free)).unwrap();
    let is_sent = |record| !messages(&sender, record).is_empty();
    assert_eq!(
        [&pro, &pro, &tried, &pro].map(is_sent),
        [true, false, true, true]
    );
}

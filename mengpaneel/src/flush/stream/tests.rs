use std::time::Duration;

use serde_json::json;

use super::*;
use crate::browser::csp::Obstacle;
use crate::browser::snippet::SnippetConfig;
use crate::call::{Call, Method, Mode};
use crate::deliver::dispatcher::DispatcherConfig;
use crate::deliver::http::host::ApiHost;
use crate::deliver::http::{Credentials, HttpClient, HttpConfig};
use crate::error::ErrorReporter;
use crate::outbox::{Memory, Outbox};
use crate::record::recorder::{Condition, Entry, Include, RequestOutcome};
use crate::record::visitor::Visitor;
use crate::settings::Loader;

const BLOCK: &str = "<script>block</script>";
const PAGE: &str = "<!doctype html><html><head><title>a</head></title><!-- </head> --></head><body><p>b</p></body></html>";

/// A page that flows, and where its calls go if it is none. The worker is stopped: what it is
/// handed stays in the outbox.
struct Flow {
    streaming: Streaming,
    recorder: Arc<Recorder>,
    post: Arc<Dispatcher>,
    waiting: Arc<dyn Outbox>,
}

fn block() -> Arc<Snippet> {
    let (config, lib_url) = (json!({}), "/mixpanel.js");
    let loader = Loader::Always;
    Arc::new(Snippet::new(&SnippetConfig {
        token: "t",
        config: &config,
        lib_url,
        instance: None,
        loader,
        ignore_dnt: false,
    }))
}

impl Flow {
    fn new(verdict: CspResult) -> Self {
        let api_host = ApiHost::from("http://127.0.0.1:1");
        let timeout = Duration::from_secs(1);
        let config = HttpConfig {
            token: "t".into(),
            api_host,
            credentials: Credentials::Token,
            timeout,
        };
        let waiting: Arc<dyn Outbox> = Arc::new(Memory::default());
        let delivery = HttpClient::new(config).unwrap();
        let post = Dispatcher::start(DispatcherConfig {
            token: "t".into(),
            delivery,
            outbox: Some(Arc::clone(&waiting)),
            failures: ErrorReporter::default(),
            before_send: None,
            retry_for: timeout,
            shutdown_timeout: timeout,
            concurrency: 1,
            max_deliveries: 10,
        });
        let post = Arc::new(post.unwrap());
        let recorder = Arc::new(Recorder::new(Visitor::default, Arc::default()));
        recorder.finalize(
            RequestOutcome {
                succeeded: true,
                routed: true,
                not_found: false,
            },
            Include::All,
        );
        let judge: CheckPolicy = Box::new(move |_| verdict.clone());
        let write: RenderSnippet =
            Box::new(|_, nonce| Some([BLOCK.into(), nonce.unwrap_or_default().to_owned().into()]));
        let parcel = Envelope::new(
            Visitor::default(),
            Calls {
                tracking: vec![event("early")],
                ..Calls::default()
            },
        );
        let streaming = Streaming::new(
            (judge, write, true),
            (block(), Uuid::nil()),
            Arc::clone(&recorder),
            Arc::clone(&post),
            Some(parcel),
        );
        Self {
            streaming,
            recorder,
            post,
            waiting,
        }
    }

    fn read(&mut self, page: &str, size: usize) -> String {
        let mut out = Vec::new();
        for piece in page.as_bytes().chunks(size) {
            out.extend_from_slice(&self.streaming.push(Bytes::copy_from_slice(piece)));
        }
        out.extend_from_slice(&self.streaming.finish());
        String::from_utf8(out).unwrap()
    }

    fn record(&self, name: &str) {
        let (call, mode) = (event(name), Mode::Tracking);
        self.recorder.record(Entry {
            call,
            mode,
            via_server: false,
            condition: Condition::Always,
            seq: None,
        });
    }

    /// What was handed to the server. A worker that has it in its hands counts too.
    fn handed_over(&self) -> usize {
        futures_util::future::FutureExt::now_or_never(self.waiting.pending())
            .unwrap()
            .unwrap()
    }
}

fn event(name: &str) -> Call {
    Call::new(Method::Track, vec![json!(name)])
}

#[test]
fn the_block_stands_at_the_end_of_the_head_wherever_the_page_is_cut() {
    let (before, after) = PAGE.split_once("</head><body>").unwrap();
    let expected = format!("{before}{BLOCK}</head><body>{after}");
    for size in 1..PAGE.len() {
        let mut flow = Flow::new(CspResult::Allowed);
        assert_eq!(flow.read(PAGE, size), expected, "in pieces of {size}");
        assert_eq!(flow.handed_over(), 0);
    }
}

#[test]
fn nothing_but_a_cut_tag_is_held_back() {
    let mut flow = Flow::new(CspResult::Allowed);
    let leaves = flow.streaming.push(Bytes::from_static(
        b"<!doctype html><html><head><meta name=a></he",
    ));
    assert_eq!(leaves, "<!doctype html><html><head><meta name=a>");
    let leaves = flow.streaming.push(Bytes::from_static(b"ad><body>"));
    assert_eq!(leaves, format!("{BLOCK}</head><body>"));
}

#[test]
fn a_page_that_is_none_leaves_as_it_is_and_its_calls_go_by_the_server() {
    let mut flow = Flow::new(CspResult::Allowed);
    assert_eq!(flow.read("<p>only a part</p>", 3), "<p>only a part</p>");
    assert_eq!(flow.handed_over(), 1);
}

#[test]
fn a_policy_in_the_page_that_forbids_the_block_sends_its_calls_by_the_server() {
    let mut flow = Flow::new(CspResult::Forbidden(Obstacle::Sandbox));
    assert_eq!(flow.read(PAGE, 10), PAGE);
    assert_eq!(flow.handed_over(), 1);
}

#[test]
fn what_is_recorded_while_the_page_flows_stands_after_its_last_byte() {
    let mut flow = Flow::new(CspResult::Nonce("n".into()));
    let page = "<!doctype html><head></head><body><p>b</p>";
    let mut out = flow
        .streaming
        .push(Bytes::from_static(page.as_bytes()))
        .to_vec();
    flow.record("late");
    out.extend_from_slice(&flow.streaming.finish());
    let out = String::from_utf8(out).unwrap();
    let last = out.rsplit_once("<p>b</p>").unwrap().1;
    assert!(
        last.starts_with("<script nonce=\"n\">") && last.contains("late"),
        "{out}"
    );
    assert_eq!(flow.handed_over(), 0);
}

#[test]
fn where_the_end_is_no_place_for_a_script_the_server_sends_what_came_late() {
    let mut flow = Flow::new(CspResult::Allowed);
    let page = "<!doctype html><head></head><body><textarea>not closed";
    let mut out = flow
        .streaming
        .push(Bytes::from_static(page.as_bytes()))
        .to_vec();
    flow.record("late");
    out.extend_from_slice(&flow.streaming.finish());
    assert!(!String::from_utf8(out).unwrap().contains("late"));
    assert_eq!(flow.handed_over(), 1);
}

#[test]
fn a_page_that_nobody_reads_hands_everything_over() {
    let flow = Flow::new(CspResult::Allowed);
    flow.record("late");
    let (waiting, post) = (Arc::clone(&flow.waiting), Arc::clone(&flow.post));
    drop(flow);
    assert_eq!(
        futures_util::future::FutureExt::now_or_never(waiting.pending()),
        Some(Ok(2))
    );
    drop(post);
}

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

const SNIPPET: &str = "<script>snippet</script>";
const PAGE: &str = "<!doctype html><html><head><title>a</head></title><!-- </head> --></head><body><p>b</p></body></html>";

/// Streamed page, and the outbox of calls that the page does not accept. Deliveries fail, so that
/// envelopes stay in the outbox.
struct Fixture {
    streaming: Streaming,
    recorder: Arc<Recorder>,
    dispatcher: Arc<Dispatcher>,
    outbox: Arc<dyn Outbox>,
}

fn snippet() -> Arc<Snippet> {
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

impl Fixture {
    fn new(policy: CspResult) -> Self {
        let api_host = ApiHost::from("http://127.0.0.1:1");
        let timeout = Duration::from_secs(1);
        let config = HttpConfig {
            token: "t".into(),
            api_host,
            credentials: Credentials::Token,
            timeout,
        };
        let outbox: Arc<dyn Outbox> = Arc::new(Memory::default());
        let http = HttpClient::new(config).unwrap();
        let dispatcher = Dispatcher::start(DispatcherConfig {
            token: "t".into(),
            http,
            outbox: Some(Arc::clone(&outbox)),
            reporter: ErrorReporter::default(),
            before_send: None,
            retry_for: timeout,
            shutdown_timeout: timeout,
            concurrency: 1,
            max_redeliveries: 10,
        });
        let dispatcher = Arc::new(dispatcher.unwrap());
        let recorder = Arc::new(Recorder::new(Visitor::default, Arc::default()));
        recorder.finalize(
            RequestOutcome {
                is_success: true,
                is_routed: true,
                is_not_found: false,
            },
            Include::All,
        );
        let check_policy: CheckPolicy = Box::new(move |_| policy.clone());
        let render: RenderSnippet = Box::new(|_, nonce| {
            Some([SNIPPET.into(), nonce.unwrap_or_default().to_owned().into()])
        });
        let envelope = Envelope::new(
            Visitor::default(),
            Calls {
                tracking: vec![event("early")],
                ..Calls::default()
            },
        );
        let streaming = Streaming::new(StreamingConfig {
            check_policy,
            render,
            is_charset_declared: true,
            snippet: snippet(),
            page_view: Uuid::nil(),
            recorder: Arc::clone(&recorder),
            dispatcher: Arc::clone(&dispatcher),
            envelope: Some(envelope),
        });
        Self {
            streaming,
            recorder,
            dispatcher,
            outbox,
        }
    }

    fn stream(&mut self, page: &str, chunk_size: usize) -> String {
        let mut output = Vec::new();
        for chunk in page.as_bytes().chunks(chunk_size) {
            output.extend_from_slice(&self.streaming.push(Bytes::copy_from_slice(chunk)));
        }
        output.extend_from_slice(&self.streaming.finish());
        String::from_utf8(output).unwrap()
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

    /// Number of envelopes in the outbox, leased ones included.
    fn enqueued(&self) -> usize {
        futures_util::future::FutureExt::now_or_never(self.outbox.pending())
            .unwrap()
            .unwrap()
    }
}

fn event(name: &str) -> Call {
    Call::new(Method::Track, vec![json!(name)])
}

#[test]
fn snippet_is_at_the_end_of_head_for_any_chunk_size() {
    let (before, after) = PAGE.split_once("</head><body>").unwrap();
    let expected = format!("{before}{SNIPPET}</head><body>{after}");
    for chunk_size in 1..PAGE.len() {
        let mut fixture = Fixture::new(CspResult::Allowed);
        assert_eq!(
            fixture.stream(PAGE, chunk_size),
            expected,
            "chunks of {chunk_size}"
        );
        assert_eq!(fixture.enqueued(), 0);
    }
}

#[test]
fn push_holds_back_only_an_incomplete_tag() {
    let mut fixture = Fixture::new(CspResult::Allowed);
    let output = fixture.streaming.push(Bytes::from_static(
        b"<!doctype html><html><head><meta name=a></he",
    ));
    assert_eq!(output, "<!doctype html><html><head><meta name=a>");
    let output = fixture.streaming.push(Bytes::from_static(b"ad><body>"));
    assert_eq!(output, format!("{SNIPPET}</head><body>"));
}

#[test]
fn fragment_is_unchanged_and_server_delivers_its_calls() {
    let mut fixture = Fixture::new(CspResult::Allowed);
    assert_eq!(
        fixture.stream("<p>only a part</p>", 3),
        "<p>only a part</p>"
    );
    assert_eq!(fixture.enqueued(), 1);
}

#[test]
fn server_delivers_calls_that_a_policy_in_the_page_forbids() {
    let mut fixture = Fixture::new(CspResult::Forbidden(Obstacle::Sandbox));
    assert_eq!(fixture.stream(PAGE, 10), PAGE);
    assert_eq!(fixture.enqueued(), 1);
}

#[test]
fn calls_recorded_while_streaming_follow_the_last_byte() {
    let mut fixture = Fixture::new(CspResult::Nonce("n".into()));
    let page = "<!doctype html><head></head><body><p>b</p>";
    let mut output = fixture
        .streaming
        .push(Bytes::from_static(page.as_bytes()))
        .to_vec();
    fixture.record("late");
    output.extend_from_slice(&fixture.streaming.finish());
    let output = String::from_utf8(output).unwrap();
    let last = output.rsplit_once("<p>b</p>").unwrap().1;
    assert!(
        last.starts_with("<script nonce=\"n\">") && last.contains("late"),
        "{output}"
    );
    assert_eq!(fixture.enqueued(), 0);
}

#[test]
fn server_delivers_late_calls_if_page_ends_inside_an_element() {
    let mut fixture = Fixture::new(CspResult::Allowed);
    let page = "<!doctype html><head></head><body><textarea>not closed";
    let mut output = fixture
        .streaming
        .push(Bytes::from_static(page.as_bytes()))
        .to_vec();
    fixture.record("late");
    output.extend_from_slice(&fixture.streaming.finish());
    assert!(!String::from_utf8(output).unwrap().contains("late"));
    assert_eq!(fixture.enqueued(), 1);
}

#[test]
fn dropped_page_enqueues_all_its_calls() {
    let fixture = Fixture::new(CspResult::Allowed);
    fixture.record("late");
    let outbox = Arc::clone(&fixture.outbox);
    let dispatcher = Arc::clone(&fixture.dispatcher);
    drop(fixture);
    assert_eq!(
        futures_util::future::FutureExt::now_or_never(outbox.pending()),
        Some(Ok(2))
    );
    drop(dispatcher);
}

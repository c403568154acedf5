//! Whose event it was, over every order of sign-up, sign-in, sign-out and switch of user.

use mengpaneel_tests::{TestApp, TestClient};

use crate::fake_mixpanel_js::{self, FakeMixpanelJs};
use crate::start_app;

/// A browser with its mixpanel-js.
struct Browser {
    visitor: TestClient,
    js: FakeMixpanelJs,
}

impl Browser {
    fn new(app: &TestApp) -> Self {
        Self {
            visitor: TestClient::browser(&app.url),
            js: FakeMixpanelJs::new("d1"),
        }
    }

    async fn visit(&mut self, path: &str) {
        self.visitor
            .cookies
            .insert("mp_demo_mixpanel".into(), self.js.cookie());
        let page = self.visitor.get(path).send().await;
        self.js.run(&page);
    }
}

/// What each step of an order does: the request, and whose its event is.
const STEPS: [(&str, &str, &str); 4] = [
    ("up", "alias=1&who=1&session=renew&track=Up", "1"),
    ("in", "who=2&session=renew&track=In", "2"),
    ("out", "who=2&session=purge&track=Out", "2"),
    ("switch", "who=3&session=renew&track=Switch", "3"),
];

#[tokio::test]
async fn in_every_order_each_event_is_its_users_own_and_counted_once() {
    let keyed = start_app();
    for first in STEPS {
        for second in STEPS.into_iter().filter(|second| second.0 != first.0) {
            for third in STEPS
                .into_iter()
                .filter(|third| third.0 != first.0 && third.0 != second.0)
            {
                for pages_between in [false, true] {
                    let order = [first, second, third];
                    let mut browser = Browser::new(&keyed);
                    keyed.stand_in.clear();
                    for (name, wish, who) in order {
                        browser.visit(&format!("/?{wish}&then=/")).await;
                        if pages_between {
                            // Who signed out sees a page of nobody's.
                            browser
                                .visit(&format!("/?who={}", if name == "out" { "-" } else { who }))
                                .await;
                        }
                    }
                    browser.visit("/").await;
                    let arrived = keyed.flush_and_collect().await;
                    let sent = fake_mixpanel_js::all([&browser.js], &arrived);
                    assert_eq!(sent.len(), 3, "{order:?} {sent:?}");
                    for (_, wish, who) in order {
                        let name = wish.rsplit('=').next().unwrap();
                        let event = sent.iter().find(|sent| sent.name == name).unwrap();
                        assert_eq!(event.user_id.as_deref(), Some(who), "{order:?} {sent:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn another_users_event_goes_by_the_server_as_their_own() {
    let app = start_app();
    let mut browser = Browser::new(&app);
    browser.visit("/?who=42&track=Sign+Out&then=/").await;
    browser.visit("/?who=43&track=Sign+In&then=/").await;
    browser.visit("/?who=43").await;
    assert_eq!(
        fake_mixpanel_js::names(&fake_mixpanel_js::all([&browser.js], &[])),
        ["Sign In"]
    );
    let arrived = app.flush_and_collect().await;
    let event = &arrived[0];
    assert_eq!(
        (event.event(), event.distinct_id()),
        ("Sign Out", Some("42"))
    );
    assert_eq!(
        (event.property("$user_id"), event.property("$device_id")),
        (&"42".into(), &"d1".into())
    );
}

#[tokio::test]
async fn an_event_of_nobody_yet_is_theirs_whom_the_next_page_identifies() {
    let app = start_app();
    let mut browser = Browser::new(&app);
    browser.visit("/?track=Ask+For+Account&then=/").await;
    browser.visit("/?alias=42&who=42").await;
    let sent = fake_mixpanel_js::all([&browser.js], &[]);
    assert_eq!(
        (sent[0].name.as_str(), sent[0].user_id.as_deref()),
        ("Ask For Account", Some("42"))
    );
}

#[tokio::test]
async fn an_event_says_whose_it_is_under_both_of_mixpanels_identity_systems() {
    let app = start_app();
    let mut browser = Browser::new(&app);
    browser
        .visitor
        .cookies
        .insert("mp_demo_mixpanel".into(), browser.js.cookie());
    browser
        .visitor
        .get("/?alias=42&who=42&track=Sign+Up&then=/")
        .send()
        .await;
    let page = browser.visitor.get("/?who=42").send().await;
    assert_eq!(
        page.call_summary(),
        ["alias 42", "identify 42", "track Sign Up"]
    );
    for (property, value) in [
        ("$user_id", "42"),
        ("distinct_id", "42"),
        ("$device_id", "d1"),
    ] {
        assert_eq!(
            page.property("Sign Up", property),
            Some(value.into()),
            "{property}"
        );
    }
}

#[tokio::test]
async fn a_profile_that_a_known_user_changes_does_not_wait_for_anothers_page() {
    let app = start_app();
    let mut browser = Browser::new(&app);
    browser
        .visit("/?who=42&track=Buy&set=Plan&increment=Posts&then=/")
        .await;
    let page = browser.visitor.get("/?who=43").send().await;
    assert_eq!(page.call_summary(), ["identify 43"]);
    app.flush_and_collect().await;
    let owners: Vec<_> = app
        .stand_in
        .profiles()
        .iter()
        .map(|one| one.distinct_id().map(str::to_owned))
        .collect();
    assert_eq!(owners, [Some("42".to_owned()), Some("42".to_owned())]);
}

#[tokio::test]
async fn setup_that_waited_gives_way_to_the_pages_own_and_to_its_silence() {
    for (says, expected) in [
        (
            "",
            vec!["alias 42", "identify 42", "track Buy", "track View"],
        ),
        ("&who=43", vec!["alias 42", "identify 43", "track View"]),
        ("&who=-", vec!["alias 42", "track Buy", "track View"]),
    ] {
        let app = start_app();
        let mut ada = TestClient::browser(&app.url);
        ada.get("/?alias=42&who=42&track=Buy&then=/").send().await;
        assert_eq!(
            ada.get(&format!("/?track=View{says}"))
                .send()
                .await
                .call_summary(),
            expected,
            "{says}"
        );
    }
}

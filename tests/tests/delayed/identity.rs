//! User of each event, over every order of sign-up, sign-in, sign-out and switch of user.

use mengpaneel_tests::{TestApp, TestClient, TestResponse};

use crate::fake_mixpanel_js::{FakeMixpanelJs, all_sent, sent_names};
use crate::scenario::{Scenario, SessionChange, navigate};
use crate::scenario_app::start_app;

/// Browser with its mixpanel-js.
struct Browser {
    client: TestClient,
    js: FakeMixpanelJs,
}

impl Browser {
    fn new(app: &TestApp) -> Self {
        Self {
            client: TestClient::browser(&app.url),
            js: FakeMixpanelJs::new("d1"),
        }
    }

    /// Navigates with the cookie of mixpanel-js, without running the page's calls.
    async fn load(&mut self, scenario: Scenario) -> TestResponse {
        let cookie = self.js.cookie();
        let cookies = &mut self.client.cookies;
        cookies.insert("mp_demo_mixpanel".into(), cookie);
        navigate(&mut self.client, scenario).await
    }

    /// Navigates, and runs the page's calls.
    async fn visit(&mut self, scenario: Scenario) {
        let page = self.load(scenario).await;
        self.js.run(&page);
    }
}

fn redirect_of(user: &str) -> Scenario {
    Scenario::redirect().identify(user)
}

/// Steps that change the user: name of the event, its user, and the scenario that tracks it.
fn steps() -> [(&'static str, &'static str, Scenario); 4] {
    [
        (
            "Up",
            "1",
            redirect_of("1").alias("1").session(SessionChange::Renew),
        ),
        ("In", "2", redirect_of("2").session(SessionChange::Renew)),
        ("Out", "2", redirect_of("2").session(SessionChange::Purge)),
        (
            "Switch",
            "3",
            redirect_of("3").session(SessionChange::Renew),
        ),
    ]
}

#[tokio::test]
async fn every_order_of_user_changes_counts_each_users_event_once() {
    let app = start_app();
    for first in steps() {
        for second in steps().into_iter().filter(|second| second.0 != first.0) {
            for third in steps()
                .into_iter()
                .filter(|third| third.0 != first.0 && third.0 != second.0)
            {
                for pages_between in [false, true] {
                    let order = [first.clone(), second.clone(), third.clone()];
                    check_order(&app, &order, pages_between).await;
                }
            }
        }
    }
}

async fn check_order(app: &TestApp, order: &[(&str, &str, Scenario); 3], pages_between: bool) {
    let mut browser = Browser::new(app);
    app.stand_in.clear();
    for (name, user, scenario) in order {
        browser.visit(scenario.clone().track(*name)).await;
        if pages_between {
            let page = Scenario::page();
            browser
                .visit(if *name == "Out" {
                    page.anonymous()
                } else {
                    page.identify(user)
                })
                .await;
        }
    }
    browser.visit(Scenario::page()).await;
    let arrived = app.flush_and_collect().await;
    let sent = all_sent([&browser.js], &arrived);
    let names = order.each_ref().map(|(name, ..)| *name);
    assert_eq!(sent.len(), 3, "{names:?} {sent:?}");
    for (name, user, _) in order {
        let event = sent.iter().find(|sent| sent.name == *name).unwrap();
        assert_eq!(event.user_id.as_deref(), Some(*user), "{names:?} {sent:?}");
    }
}

#[tokio::test]
async fn server_delivers_delayed_event_of_another_user() {
    let app = start_app();
    let mut browser = Browser::new(&app);
    browser.visit(redirect_of("42").track("Sign Out")).await;
    browser.visit(redirect_of("43").track("Sign In")).await;
    browser.visit(Scenario::page().identify("43")).await;
    assert_eq!(sent_names(&all_sent([&browser.js], &[])), ["Sign In"]);
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
async fn anonymous_event_belongs_to_next_identified_user() {
    let app = start_app();
    let mut browser = Browser::new(&app);
    let event = Scenario::redirect().track("Ask For Account");
    browser.visit(event).await;
    let page = Scenario::page().alias("42").identify("42");
    browser.visit(page).await;
    let sent = all_sent([&browser.js], &[]);
    assert_eq!(
        (sent[0].name.as_str(), sent[0].user_id.as_deref()),
        ("Ask For Account", Some("42"))
    );
}

#[tokio::test]
async fn delayed_event_has_ids_of_both_identity_systems() {
    let app = start_app();
    let mut browser = Browser::new(&app);
    let sign_up = redirect_of("42").alias("42").track("Sign Up");
    browser.load(sign_up).await;
    let page = navigate(&mut browser.client, Scenario::page().identify("42")).await;
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
async fn profile_change_of_known_user_is_not_delayed() {
    let app = start_app();
    let mut browser = Browser::new(&app);
    let scenario = Scenario::buy().set("Plan").increment("Posts");
    browser.visit(scenario).await;
    let page = navigate(&mut browser.client, Scenario::page().identify("43")).await;
    assert_eq!(page.call_summary(), ["identify 43"]);
    app.flush_and_collect().await;
    let users: Vec<_> = app
        .stand_in
        .profiles()
        .iter()
        .map(|profile| profile.distinct_id().map(str::to_owned))
        .collect();
    assert_eq!(users, [Some("42".to_owned()), Some("42".to_owned())]);
}

#[tokio::test]
async fn page_decides_whether_delayed_setup_runs() {
    let view = || Scenario::page().track("View");
    for (page, expected) in [
        (
            view(),
            vec!["alias 42", "identify 42", "track Buy", "track View"],
        ),
        (
            view().identify("43"),
            vec!["alias 42", "identify 43", "track View"],
        ),
        (
            view().anonymous(),
            vec!["alias 42", "track Buy", "track View"],
        ),
    ] {
        let app = start_app();
        let mut ada = TestClient::browser(&app.url);
        navigate(&mut ada, Scenario::buy().alias("42")).await;
        let shown = navigate(&mut ada, page.clone()).await;
        assert_eq!(shown.call_summary(), expected, "{page:?}");
    }
}

//! The methods of mixpanel-js: which there are, what they take, and which mean nothing here.

use syn::Ident;

use crate::names::nearest;

/// What a method takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `reset()`
    Nothing,
    /// `opt_out_tracking()`
    OptOut,
    /// `identify(id)`
    Id,
    /// `time_event("Upload")`
    Text,
    /// `disable("Upload", "Download")`
    Texts,
    /// `people.unset("Plan")`: as `Texts`, but one at least.
    SomeTexts,
    /// `add_group("company", id)`
    KeyAndId,
    /// `set_group("company", ids)`
    KeyAndIds,
    /// `track("Sign In", title = post.title)`
    Event,
    /// `track_with_groups("Sign In", groups, title = post.title)`
    EventWithGroups,
    /// `register(plan = plan)`
    Properties,
    /// `people.set(plan = plan)` or `people.set("plan", plan)`
    NamedValues,
    /// `people.increment(posts = 1)`, `people.increment("posts", 1)` or `people.increment("posts")`
    Increment,
    /// `people.track_charge(12.5, plan = plan)`
    Charge,
    /// `get_group("company", id).union("tags", tags)`
    ListAndValue,
}

/// A method that can be called in an attribute.
pub(super) struct Method {
    pub(super) path: &'static str,
    pub(super) variant: &'static str,
    pub(super) shape: Shape,
    /// Its right form.
    pub(super) form: &'static str,
}

const fn method(
    path: &'static str,
    variant: &'static str,
    shape: Shape,
    form: &'static str,
) -> Method {
    Method {
        path,
        variant,
        shape,
        form,
    }
}

const METHODS: &[Method] = &[
    method(
        "track",
        "Track",
        Shape::Event,
        r#"track("Create Blog Post", "Title" = post.title)"#,
    ),
    method(
        "track_pageview",
        "TrackPageview",
        Shape::Properties,
        r#"track_pageview("Page" = page.name)"#,
    ),
    method(
        "track_with_groups",
        "TrackWithGroups",
        Shape::EventWithGroups,
        r#"track_with_groups("Sign In", groups, "Plan" = plan)"#,
    ),
    method(
        "time_event",
        "TimeEvent",
        Shape::Text,
        r#"time_event("Upload")"#,
    ),
    method(
        "register",
        "Register",
        Shape::Properties,
        r#"register("Plan" = plan)"#,
    ),
    method(
        "register_once",
        "RegisterOnce",
        Shape::Properties,
        r#"register_once("Plan" = plan)"#,
    ),
    method(
        "unregister",
        "Unregister",
        Shape::Text,
        r#"unregister("Plan")"#,
    ),
    method("identify", "Identify", Shape::Id, "identify(user.id)"),
    method("alias", "Alias", Shape::Id, "alias(user.id)"),
    method("reset", "Reset", Shape::Nothing, "reset()"),
    method(
        "set_group",
        "SetGroup",
        Shape::KeyAndIds,
        r#"set_group("company", user.company_ids)"#,
    ),
    method(
        "add_group",
        "AddGroup",
        Shape::KeyAndId,
        r#"add_group("company", company.id)"#,
    ),
    method(
        "remove_group",
        "RemoveGroup",
        Shape::KeyAndId,
        r#"remove_group("company", company.id)"#,
    ),
    method("disable", "Disable", Shape::Texts, r#"disable("Upload")"#),
    method(
        "opt_in_tracking",
        "OptInTracking",
        Shape::Nothing,
        "opt_in_tracking()",
    ),
    method(
        "opt_out_tracking",
        "OptOutTracking",
        Shape::OptOut,
        "opt_out_tracking()",
    ),
    method(
        "clear_opt_in_out_tracking",
        "ClearOptInOutTracking",
        Shape::Nothing,
        "clear_opt_in_out_tracking()",
    ),
    method(
        "people.set",
        "PeopleSet",
        Shape::NamedValues,
        r#"people.set("$email" = user.email)"#,
    ),
    method(
        "people.set_once",
        "PeopleSetOnce",
        Shape::NamedValues,
        r#"people.set_once("Plan" = plan)"#,
    ),
    method(
        "people.unset",
        "PeopleUnset",
        Shape::SomeTexts,
        r#"people.unset("Plan")"#,
    ),
    method(
        "people.increment",
        "PeopleIncrement",
        Shape::Increment,
        r#"people.increment("Posts", 1)"#,
    ),
    method(
        "people.append",
        "PeopleAppend",
        Shape::NamedValues,
        r#"people.append("Tags", tag)"#,
    ),
    method(
        "people.remove",
        "PeopleRemove",
        Shape::NamedValues,
        r#"people.remove("Tags", tag)"#,
    ),
    method(
        "people.union",
        "PeopleUnion",
        Shape::NamedValues,
        r#"people.union("Tags", tags)"#,
    ),
    method(
        "people.track_charge",
        "PeopleTrackCharge",
        Shape::Charge,
        "people.track_charge(order.amount)",
    ),
    method(
        "people.clear_charges",
        "PeopleClearCharges",
        Shape::Nothing,
        "people.clear_charges()",
    ),
    method(
        "people.delete_user",
        "PeopleDeleteUser",
        Shape::Nothing,
        "people.delete_user()",
    ),
    method(
        "get_group.set",
        "GroupSet",
        Shape::NamedValues,
        r#"get_group("company", id).set("Plan" = plan)"#,
    ),
    method(
        "get_group.set_once",
        "GroupSetOnce",
        Shape::NamedValues,
        r#"get_group("company", id).set_once("Plan" = plan)"#,
    ),
    method(
        "get_group.unset",
        "GroupUnset",
        Shape::Text,
        r#"get_group("company", id).unset("Plan")"#,
    ),
    method(
        "get_group.union",
        "GroupUnion",
        Shape::ListAndValue,
        r#"get_group("company", id).union("Tags", tags)"#,
    ),
    method(
        "get_group.remove",
        "GroupRemove",
        Shape::ListAndValue,
        r#"get_group("company", id).remove("Tags", tag)"#,
    ),
    method(
        "get_group.delete",
        "GroupDelete",
        Shape::Nothing,
        r#"get_group("company", id).delete()"#,
    ),
];

const DOM: &str =
    "it listens to clicks in a page, and there is none here: call it in the page's own script";
const ANSWERS: &str =
    "it answers a question, and an attribute cannot hear the answer: ask in the page's own script";
const CONFIGURES: &str =
    "the configuration is one for the whole app: `Mengpaneel::builder(token).js_config(…)`";
const RECORDS: &str = "a session is recorded in the browser: call it in the page's own script";
const FUNCTION: &str = "a function cannot be sent to a browser: call it in the page's own script";

/// Methods that mean nothing here, and why.
const REFUSED: &[(&str, &str)] = &[
    (
        "init",
        "the page's `init` is written by the middleware, from `Mengpaneel::builder(token)`",
    ),
    ("track_links", DOM),
    ("track_forms", DOM),
    ("track_submit", DOM),
    ("get_distinct_id", ANSWERS),
    ("get_property", ANSWERS),
    ("get_config", ANSWERS),
    ("get_api_host", ANSWERS),
    ("get_tab_id", ANSWERS),
    ("get_session_recording_properties", ANSWERS),
    ("get_session_replay_url", ANSWERS),
    ("has_opted_in_tracking", ANSWERS),
    ("has_opted_out_tracking", ANSWERS),
    ("set_config", CONFIGURES),
    ("start_batch_senders", CONFIGURES),
    ("stop_batch_senders", CONFIGURES),
    ("start_session_recording", RECORDS),
    ("stop_session_recording", RECORDS),
    ("pause_session_recording", RECORDS),
    ("resume_session_recording", RECORDS),
    ("push", FUNCTION),
    ("add_hook", FUNCTION),
    ("remove_hook", FUNCTION),
    (
        "name_tag",
        "mixpanel-js deprecates it: write `register(\"mp_name_tag\" = name)`",
    ),
    (
        "enable",
        "events are disabled page by page: leave out `disable`",
    ),
    ("flags", ANSWERS),
    (
        "people",
        "it is no call: write `people.set(\"$email\" = user.email)`",
    ),
    (
        "get_group",
        "it is no call: write `get_group(\"company\", id).set(\"Plan\" = plan)`",
    ),
];

/// Returns whether a call in an attribute begins with this name.
pub(super) fn is_method(name: &str) -> bool {
    METHODS.iter().any(|method| method.path == name)
}

/// The method at that path, or the error at its last name.
pub(super) fn find(parent: Option<&Ident>, name: &Ident) -> syn::Result<&'static Method> {
    let written = name.to_string();
    let path = parent.map_or_else(|| written.clone(), |parent| format!("{parent}.{written}"));
    if let Some(method) = METHODS.iter().find(|method| method.path == path) {
        return Ok(method);
    }
    let first = parent.unwrap_or(name);
    let refused = REFUSED
        .iter()
        .find(|(refused, _)| first == refused && (parent.is_none() || *refused == "flags"));
    if let Some((refused, why)) = refused {
        return Err(syn::Error::new(
            first.span(),
            format!("`{refused}` means nothing in an attribute: {why}"),
        ));
    }
    if let Some(parent) = parent
        && parent != "people"
        && parent != "get_group"
    {
        let near = nearest(&parent.to_string(), ["people", "get_group"]).unwrap_or("people");
        let said = format!("no `{parent}` in mixpanel-js: did you mean `{near}.{name}(…)`?");
        return Err(syn::Error::new(parent.span(), said));
    }
    Err(unknown(&path, name))
}

fn unknown(path: &str, name: &Ident) -> syn::Error {
    let anywhere = METHODS
        .iter()
        .find(|method| method.path.rsplit('.').next() == Some(path));
    let near = nearest(path, METHODS.iter().map(|method| method.path));
    let near = anywhere.or_else(|| METHODS.iter().find(|method| Some(method.path) == near));
    let said = match near {
        Some(method) => format!(
            "no method `{path}` in mixpanel-js: did you mean `{}`?",
            method.form
        ),
        None => format!(
            "no method `{path}` in mixpanel-js: calls look like `identify(user.id)` or \
             `people.set(\"$email\" = user.email)`; one that has no name here is recorded in the body, with \
             `mengpaneel::current().call_method(…)`"
        ),
    };
    syn::Error::new(name.span(), said)
}

//! Methods of mixpanel-js, with their arguments, and those that are not available here.

use syn::Ident;

use super::spelling::nearest;

/// Arguments that a method takes.
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
    /// `people.unset("Plan")`: as `Texts`, but at least one.
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

/// Method that an attribute can call.
pub(super) struct Method {
    pub(super) path: &'static str,
    pub(super) variant: &'static str,
    pub(super) shape: Shape,
    /// Example of a correct call, for errors.
    pub(super) usage: &'static str,
}

const fn method(
    path: &'static str,
    variant: &'static str,
    shape: Shape,
    usage: &'static str,
) -> Method {
    Method {
        path,
        variant,
        shape,
        usage,
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

const DOM: &str = "it listens to clicks in a page; call it in the page's own script";
const RETURNS: &str =
    "it returns a value, which an attribute cannot use; call it in the page's own script";
const CONFIGURES: &str =
    "the whole app shares one configuration; write `Mengpaneel::builder(token).js_config(…)`";
const RECORDS: &str = "a session is recorded in the browser; call it in the page's own script";
const FUNCTION: &str = "a function cannot be sent to a browser; call it in the page's own script";

/// Methods that are not available in an attribute, each with the reason.
const UNAVAILABLE: &[(&str, &str)] = &[
    (
        "init",
        "the middleware writes the page's `init`, from `Mengpaneel::builder(token)`",
    ),
    ("track_links", DOM),
    ("track_forms", DOM),
    ("track_submit", DOM),
    ("get_distinct_id", RETURNS),
    ("get_property", RETURNS),
    ("get_config", RETURNS),
    ("get_api_host", RETURNS),
    ("get_tab_id", RETURNS),
    ("get_session_recording_properties", RETURNS),
    ("get_session_replay_url", RETURNS),
    ("has_opted_in_tracking", RETURNS),
    ("has_opted_out_tracking", RETURNS),
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
        "mixpanel-js has deprecated it; write `register(\"mp_name_tag\" = name)`",
    ),
    (
        "enable",
        "each page disables events for itself only; remove `disable`",
    ),
    ("flags", RETURNS),
    (
        "people",
        "it is not a call; write `people.set(\"$email\" = user.email)`",
    ),
    (
        "get_group",
        "it is not a call; write `get_group(\"company\", id).set(\"Plan\" = plan)`",
    ),
];

/// Returns whether a method has this path.
pub(super) fn is_method(path: &str) -> bool {
    METHODS.iter().any(|method| method.path == path)
}

/// Returns the method at a path, or the error at the last name of the path.
pub(super) fn find(parent: Option<&Ident>, name: &Ident) -> syn::Result<&'static Method> {
    let path = parent.map_or_else(|| name.to_string(), |parent| format!("{parent}.{name}"));
    if let Some(method) = METHODS.iter().find(|method| method.path == path) {
        return Ok(method);
    }
    let first = parent.unwrap_or(name);
    let unavailable = UNAVAILABLE
        .iter()
        .find(|(name, _)| first == name && (parent.is_none() || *name == "flags"));
    if let Some((name, reason)) = unavailable {
        return Err(syn::Error::new(
            first.span(),
            format!("`{name}` is not available in an attribute: {reason}"),
        ));
    }
    if let Some(parent) = parent
        && parent != "people"
        && parent != "get_group"
    {
        let near = nearest(&parent.to_string(), ["people", "get_group"]).unwrap_or("people");
        let message = format!("mixpanel-js has no `{parent}`: did you mean `{near}.{name}(…)`?");
        return Err(syn::Error::new(parent.span(), message));
    }
    Err(unknown(&path, name))
}

fn unknown(path: &str, name: &Ident) -> syn::Error {
    let same_name = METHODS
        .iter()
        .find(|method| method.path.rsplit('.').next() == Some(path));
    let near = nearest(path, METHODS.iter().map(|method| method.path));
    let near = same_name.or_else(|| METHODS.iter().find(|method| Some(method.path) == near));
    let message = match near {
        Some(method) => format!(
            "mixpanel-js has no method `{path}`: did you mean `{}`?",
            method.usage
        ),
        None => format!(
            "mixpanel-js has no method `{path}`: calls look like `identify(user.id)` or \
             `people.set(\"$email\" = user.email)`; to record a method that is not known here, call \
             `mengpaneel::current().call_method(…)` in the body"
        ),
    };
    syn::Error::new(name.span(), message)
}

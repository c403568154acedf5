//! Events: what mixpanel-js puts into each, from the browser down to the caller's own properties.

use serde_json::{Value, json};
use url::Url;

use super::Said;
use super::state::{State, own};
use crate::call::{Call, Properties};
use crate::server::message::{Endpoint, Message};
use crate::server::user_agent;

/// Campaign parameters of a URL that go with each event.
const CAMPAIGN: [&str; 20] = [
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "utm_id",
    "utm_source_platform",
    "utm_campaign_id",
    "utm_creative_format",
    "utm_marketing_tactic",
    "dclid",
    "fbclid",
    "gclid",
    "ko_click_id",
    "li_fat_id",
    "msclkid",
    "sccid",
    "ttclid",
    "twclid",
    "wbraid",
];

/// `track`.
pub(super) fn track(state: &mut State<'_>, call: &Call, event: Option<&str>, properties: Option<&Properties>) -> Said {
    let Some(event) = event.filter(|event| !event.is_empty()) else {
        return Err("an event needs a name".to_owned());
    };
    let mut properties = properties.cloned().unwrap_or_default();
    if let Some(since) = state.stop_clock(event)
        && !properties.contains_key("$duration")
        && let Some(until) = properties.get("time").and_then(Value::as_f64)
    {
        properties.insert("$duration".into(), seconds(until - since));
    }
    if !state.is_heard(event) {
        return Ok(vec![]);
    }
    let body = json!({"event": event, "properties": with_everything(state, properties)});
    Ok(vec![Message { endpoint: Endpoint::Events, body, call: call.clone() }])
}

/// `track_pageview`: the page by its URL. Its title is known to the browser alone.
pub(super) fn page_view(state: &mut State<'_>, call: &Call) -> Said {
    let mut properties = Properties::new();
    let url = state.parcel.visitor.url.as_deref().filter(|_| !state.is_faceless());
    if let Some(url) = url.and_then(|url| Url::parse(url).ok()) {
        properties.insert("current_domain".into(), Value::from(url.host_str().unwrap_or_default()));
        properties.insert("current_url_path".into(), Value::from(url.path()));
        properties.insert("current_url_protocol".into(), Value::from(format!("{}:", url.scheme())));
        let search = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        properties.insert("current_url_search".into(), Value::from(search));
    }
    properties.extend(own(call));
    track(state, call, Some("$mp_web_page_view"), Some(&properties))
}

/// `track_with_groups`: the groups lie over the properties.
pub(super) fn with_groups(state: &mut State<'_>, call: &Call) -> Said {
    let mut properties = own(call);
    if let Some(Value::Object(groups)) = call.args().get(2) {
        let given = groups.iter().filter(|(_, ids)| !ids.is_null());
        properties.extend(given.map(|(key, ids)| (key.clone(), ids.clone())));
    }
    track(state, call, call.str_arg(0), Some(&properties))
}

/// `identify`: where the visitor was somebody else before, both are told to be one.
pub(super) fn identify(state: &mut State<'_>, call: &Call, id: &str) -> Said {
    if id.starts_with("$device:") {
        return Err("identify takes a user's ID, not a device's".to_owned());
    }
    let Some(before) = state.identify(id) else { return Ok(vec![]) };
    let mut properties = Properties::new();
    properties.insert("distinct_id".into(), Value::from(id));
    properties.insert("$identified_id".into(), Value::from(id));
    if let Some(device) = before.strip_prefix("$device:") {
        properties.insert("$anon_id".into(), Value::from(device));
    }
    properties.insert("$anon_distinct_id".into(), Value::from(before));
    let begun = state.begun_at();
    named(state, &mut properties, begun);
    track(state, call, Some("$identify"), Some(&properties))
}

/// `alias`: the visitor known so far is that user. Where nobody is known, there is nobody to alias.
pub(super) fn alias(state: &mut State<'_>, call: &Call, alias: &str, original: Option<&str>) -> Said {
    let Some(current) = state.alias(alias) else {
        return identify(state, call, alias);
    };
    let mut properties = Properties::new();
    properties.insert("alias".into(), Value::from(alias));
    properties.insert("distinct_id".into(), Value::from(original.unwrap_or(&current)));
    let begun = state.begun_at();
    named(state, &mut properties, begun);
    let mut said = track(state, call, Some("$create_alias"), Some(&properties))?;
    // As mixpanel-js does once the alias is on its way.
    said.extend(identify(state, call, alias)?);
    Ok(said)
}

/// `opt_in_tracking`.
pub(super) fn opt_in(state: &mut State<'_>, call: &Call) -> Said {
    state.forget_opt_out()?;
    let mut properties = Properties::new();
    let made = state.made_at();
    named(state, &mut properties, made);
    track(state, call, Some("$opt_in"), Some(&properties))
}

fn named(state: &mut State<'_>, properties: &mut Properties, time: u64) {
    properties.insert("$insert_id".into(), Value::from(state.insert_id()));
    properties.insert("time".into(), Value::from(time));
}

/// Everything under the caller's own properties, which win; only the token is not theirs to say.
fn with_everything(state: &mut State<'_>, own: Properties) -> Properties {
    let mut all = surroundings(state);
    all.extend(state.super_properties.clone());
    let ids = [("$device_id", &state.device_id), ("$user_id", &state.user_id)];
    for (name, id) in ids {
        if let Some(id) = id {
            all.insert(name.into(), Value::from(id.as_str()));
        }
    }
    all.insert("distinct_id".into(), Value::from(state.distinct_id.as_deref().unwrap_or_default()));
    all.extend(own);
    if !all.contains_key("$insert_id") {
        all.insert("$insert_id".into(), Value::from(state.insert_id()));
    }
    if !all.contains_key("time") {
        all.insert("time".into(), Value::from(state.made_at()));
    }
    all.insert("token".into(), Value::from(state.token));
    all
}

/// What the visitor's browser would say of itself and of the page.
fn surroundings(state: &State<'_>) -> Properties {
    let mut all = state.user_agent().map(user_agent::describe).unwrap_or_default();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            all.insert(name.to_owned(), Value::from(value));
        }
    };
    put("$device", state.user_agent().map(user_agent::device).unwrap_or_default());
    put("ip", state.ip().unwrap_or_default());
    if !state.is_faceless() {
        let visitor = &state.parcel.visitor;
        let referrer = visitor.referrer.as_deref().unwrap_or_default();
        put("$referrer", referrer);
        put("$referring_domain", referrer.split('/').nth(2).unwrap_or_default());
        let url = visitor.url.as_deref().unwrap_or_default();
        put("$current_url", url);
        for (name, value) in campaign(url) {
            put(&name, &value);
        }
    }
    put("mp_lib", "mengpaneel");
    put("$lib_version", env!("CARGO_PKG_VERSION"));
    all
}

/// The campaign parameters of a URL, the first of each name.
fn campaign(url: &str) -> Vec<(String, String)> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    let mut found: Vec<(String, String)> = Vec::new();
    for (name, value) in url.query_pairs() {
        if CAMPAIGN.contains(&name.as_ref()) && !found.iter().any(|(known, _)| *known == name) {
            found.push((name.into_owned(), value.into_owned()));
        }
    }
    found
}

/// Milliseconds as seconds with three decimals, as mixpanel-js writes a duration.
fn seconds(milliseconds: f64) -> Value {
    Value::from((milliseconds.max(0.0)).round() / 1_000.0)
}

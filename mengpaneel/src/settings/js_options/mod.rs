//! Options of mixpanel-js: which of them bind the server too, and what they take.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Properties;

mod table;

pub(crate) use crate::settings::js_options::table::OPTIONS;

/// An option of `mixpanel.init`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsOption {
    /// Name of the option.
    pub name: &'static str,
    /// Values that the option takes, where it binds the server too; `None` where it concerns the
    /// page only.
    pub binds_server: Option<Takes>,
    /// Effect on the server, or the part of the page that the option concerns. Shown in the guide.
    pub what: &'static str,
}

/// Values that an option takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A text, or `null` for none.
    Text,
    /// A list of texts.
    Names,
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

impl Takes {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Bool => value.is_boolean(),
            Self::Number => value.is_number(),
            Self::Text => value.is_string() || value.is_null(),
            Self::Names => value
                .as_array()
                .is_some_and(|names| names.iter().all(Value::is_string)),
            Self::OneOf(texts) => value.as_str().is_some_and(|text| texts.contains(&text)),
        }
    }

    /// The values in words.
    #[must_use]
    pub(crate) fn in_words(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::Names => "a list of property names".to_owned(),
            Self::OneOf(texts) => format!("one of {texts:?}"),
        }
    }
}

/// Finds the first option whose value the server could not follow. Warns of options that no known
/// version of mixpanel-js has: a misspelt one protects nobody.
#[must_use]
pub(crate) fn unusable(config: &Properties) -> Option<(&'static JsOption, Takes)> {
    for name in config
        .keys()
        .filter(|name| OPTIONS.iter().all(|option| option.name != *name))
    {
        tracing::warn!(
            target: "mengpaneel",
            option = name,
            "js_config holds an option that is not known of mixpanel-js; it is passed on to the page, and the server \
             does not follow it"
        );
    }
    OPTIONS.iter().find_map(|option| {
        let takes = option.binds_server?;
        config
            .get(option.name)
            .is_some_and(|value| !takes.fits(value))
            .then_some((option, takes))
    })
}

/// Campaign properties that mixpanel-js takes from the URL and stores.
pub(crate) const CAMPAIGN: [&str; 10] = [
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
];

/// Click IDs that mixpanel-js takes from the URL and does not store.
pub(crate) const CLICK_IDS: [&str; 10] = [
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

/// Properties that stay: Mixpanel takes no event without them.
const REQUIRED: [&str; 4] = ["token", "distinct_id", "time", "$insert_id"];

/// Properties that the server leaves out of events, since mixpanel-js would. They travel with the
/// visitor, so that a worker in another process leaves them out too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Omitted {
    /// Left out, whoever says them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    everywhere: Vec<String>,
    /// Left out of what the request's URL says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    in_url: Vec<String>,
    /// Left out of what mixpanel-js's cookie holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    in_cookie: Vec<String>,
}

impl Omitted {
    /// The properties that a configuration of `mixpanel.init` leaves out.
    #[must_use]
    pub(crate) fn by(config: &Properties) -> Self {
        let is_on =
            |key: &str, default| config.get(key).and_then(Value::as_bool).unwrap_or(default);
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let everywhere = config
            .get("property_blacklist")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let (tracks, google) = (is_on("track_marketing", true), is_on("store_google", true));
        let stops = is_on("stop_utm_persistence", false);
        let mut omitted = Self {
            everywhere: everywhere
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            ..Self::default()
        };
        omitted
            .everywhere
            .retain(|name| !REQUIRED.contains(&name.as_str()));
        if !tracks {
            omitted.in_url = names(&CLICK_IDS);
            // mixpanel-js stores the campaign of the URL, and sends what it stores.
            if !google || stops {
                omitted.in_url.extend(names(&CAMPAIGN));
            }
        }
        if google && stops {
            omitted.in_cookie = names(&CAMPAIGN);
        }
        omitted
    }

    /// As it travels; `None` where nothing is left out.
    #[must_use]
    pub(crate) fn to_text(&self) -> Option<String> {
        if *self == Self::default() {
            None
        } else {
            serde_json::to_string(self).ok()
        }
    }

    /// As it came.
    #[must_use]
    pub(crate) fn of_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Returns whether an event must be looked at: a property may be left out, whoever says it.
    #[must_use]
    pub(crate) fn is_everywhere(&self) -> bool {
        !self.everywhere.is_empty()
    }

    /// Leaves out what no event may have.
    pub(crate) fn strip(&self, properties: &mut Properties) {
        self.everywhere
            .iter()
            .for_each(|name| drop(properties.remove(name)));
    }

    /// Leaves out what mixpanel-js's cookie may not add.
    pub(crate) fn strip_cookie(&self, super_properties: &mut Properties) {
        self.in_cookie
            .iter()
            .for_each(|name| drop(super_properties.remove(name)));
    }

    /// Returns whether a parameter of the URL becomes no property.
    #[must_use]
    pub(crate) fn has_parameter(&self, name: &str) -> bool {
        self.in_url.iter().any(|omitted| omitted == name)
    }

    /// Returns whether any of these properties may not be sent.
    #[cfg(feature = "sidekiq")]
    #[must_use]
    pub(crate) fn has_any(&self, properties: &Properties) -> bool {
        self.everywhere
            .iter()
            .any(|name| properties.contains_key(name))
    }
}

#[cfg(test)]
mod tests;

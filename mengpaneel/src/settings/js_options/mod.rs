//! Options of mixpanel-js: their types, and their effect on the server.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::Properties;

mod table;

pub(crate) use crate::settings::js_options::table::OPTIONS;

/// Option of `mixpanel.init`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JsOption {
    /// Name of the option.
    pub name: &'static str,
    /// Type of the option, if the server follows the option too. `None` if the option concerns the
    /// page only.
    pub server_type: Option<OptionType>,
    /// Effect on the server, or the part of the page that the option concerns. Shown in the guide.
    pub effect: &'static str,
}

/// Type of an option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OptionType {
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A string or `null`.
    Text,
    /// A list of strings.
    Names,
    /// One of these strings.
    OneOf(&'static [&'static str]),
}

impl OptionType {
    fn accepts(self, value: &Value) -> bool {
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

    /// Returns a description of the accepted values.
    #[must_use]
    pub(crate) fn description(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Number => "a number".to_owned(),
            Self::Text => "a string or null".to_owned(),
            Self::Names => "a list of property names".to_owned(),
            Self::OneOf(texts) => format!("one of {texts:?}"),
        }
    }
}

/// Finds the first option whose value has the wrong type for the server. Warns of options that no
/// known version of mixpanel-js has: a misspelt option of privacy would have no effect.
#[must_use]
pub(crate) fn find_invalid(config: &Properties) -> Option<(&'static JsOption, OptionType)> {
    for name in config
        .keys()
        .filter(|name| OPTIONS.iter().all(|option| option.name != *name))
    {
        tracing::warn!(
            target: "mengpaneel",
            option = name,
            "js_config has an option that mixpanel-js does not know; it is passed to the page, and the server ignores it"
        );
    }
    OPTIONS.iter().find_map(|option| {
        let option_type = option.server_type?;
        config
            .get(option.name)
            .is_some_and(|value| !option_type.accepts(value))
            .then_some((option, option_type))
    })
}

/// Campaign properties that mixpanel-js reads from the URL and stores.
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

/// Click IDs that mixpanel-js reads from the URL and does not store.
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

/// Properties that are never omitted: Mixpanel rejects an event without them.
const REQUIRED: [&str; 4] = ["token", "distinct_id", "time", "$insert_id"];

/// Properties that the server omits from events, as mixpanel-js does. They are part of the
/// [`Visitor`](crate::Visitor), so that a worker in another process omits them too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OmittedProperties {
    /// Properties omitted from any source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    everywhere: Vec<String>,
    /// Properties omitted from those of the request's URL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    in_url: Vec<String>,
    /// Properties omitted from those of mixpanel-js's cookie.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    in_cookie: Vec<String>,
}

impl OmittedProperties {
    /// Returns the properties that a configuration of `mixpanel.init` omits.
    #[must_use]
    pub(crate) fn from_config(config: &Properties) -> Self {
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
        let tracks_marketing = is_on("track_marketing", true);
        let stores_campaign = is_on("store_google", true);
        let stops_persistence = is_on("stop_utm_persistence", false);
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
        if !tracks_marketing {
            omitted.in_url = names(&CLICK_IDS);
            // mixpanel-js stores the campaign of the URL, and sends what it stores.
            if !stores_campaign || stops_persistence {
                omitted.in_url.extend(names(&CAMPAIGN));
            }
        }
        if stores_campaign && stops_persistence {
            omitted.in_cookie = names(&CAMPAIGN);
        }
        omitted
    }

    /// Encodes the properties for the visitor; `None` if nothing is omitted.
    #[must_use]
    pub(crate) fn to_text(&self) -> Option<String> {
        if *self == Self::default() {
            None
        } else {
            serde_json::to_string(self).ok()
        }
    }

    /// Decodes the result of [`to_text`](Self::to_text). Invalid text omits nothing.
    #[must_use]
    pub(crate) fn from_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Returns whether events must be checked: a property from any source may have to be omitted.
    #[must_use]
    pub(crate) fn has_any_source(&self) -> bool {
        !self.everywhere.is_empty()
    }

    /// Returns whether no event may have a property of this name.
    pub(crate) fn has_property(&self, name: &str) -> bool {
        self.everywhere.iter().any(|omitted| omitted == name)
    }

    /// Removes the super properties that mixpanel-js's cookie may not add.
    pub(crate) fn strip_cookie(&self, super_properties: &mut Properties) {
        self.in_cookie
            .iter()
            .for_each(|name| drop(super_properties.remove(name)));
    }

    /// Returns whether a parameter of the URL is omitted.
    #[must_use]
    pub(crate) fn has_parameter(&self, name: &str) -> bool {
        self.in_url.iter().any(|omitted| omitted == name)
    }

    /// Returns whether any of `properties` must be omitted.
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

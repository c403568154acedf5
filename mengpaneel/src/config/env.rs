//! Settings from the environment.

use std::env::{self, VarError};

use crate::deliver::http::host::{ApiHost, Region};
use crate::mengpaneel::Mengpaneel;

use crate::config::{BuildError, Builder};

/// Name of the variable with the project's token.
pub(crate) const TOKEN: &str = "MIXPANEL_TOKEN";
const REGION: &str = "MIXPANEL_REGION";
const API_HOST: &str = "MIXPANEL_API_HOST";

/// A variable whose value cannot be used. It is kept until [`Builder::build`].
#[derive(Clone, Debug)]
pub(crate) struct BadVariable {
    name: &'static str,
    problem: String,
}

impl From<BadVariable> for BuildError {
    fn from(BadVariable { name, problem }: BadVariable) -> Self {
        Self::Environment {
            variable: name,
            problem,
        }
    }
}

impl Mengpaneel {
    /// Begins a Mengpaneel with the settings that the environment has; further options may follow.
    ///
    /// | variable | value |
    /// | --- | --- |
    /// | `MIXPANEL_TOKEN` | the project's token; tracking is off without one, unless [`require_token`](Builder::require_token) is called |
    /// | `MIXPANEL_REGION` | `us` (the default), `eu` or `in`: where the project's data lives. Events that are sent to another region are lost |
    /// | `MIXPANEL_API_HOST` | base URL that the server delivers to in place of the region's, as a proxy's. Pages keep to the region |
    ///
    /// A variable that is empty counts as none. One that cannot be used is an error of
    /// [`Builder::build`], which names the variable and the values that it takes.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), mengpaneel::BuildError> {
    /// use mengpaneel::Mengpaneel;
    ///
    /// let mengpaneel = Mengpaneel::builder_from_env().require_token().build()?;
    /// # let _ = mengpaneel;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder_from_env() -> Builder {
        builder_from(|name| env::var(name))
    }

    /// A Mengpaneel as the environment has it: `builder_from_env().build()`.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn from_env() -> Result<Self, BuildError> {
        Self::builder_from_env().build()
    }
}

fn builder_from(look: impl Fn(&str) -> Result<String, VarError>) -> Builder {
    let value = |name: &'static str| match look(name) {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(BadVariable {
            name,
            problem: "its value is not UTF-8".to_owned(),
        }),
    };
    let bad = |name, error: &dyn std::error::Error| BadVariable {
        name,
        problem: error.to_string(),
    };
    let read = || {
        let (token, region, host) = (value(TOKEN)?, value(REGION)?, value(API_HOST)?);
        let mut builder = Mengpaneel::builder(token);
        if let Some(region) = region {
            let region: Region = region.parse().map_err(|error| bad(REGION, &error))?;
            let region = ApiHost::from(region);
            if host.is_some() {
                // A page would take a proxy's project for one in the US.
                builder.js_api_host = region.for_page().map(str::to_owned);
            }
            builder = builder.api_host(region);
        }
        if let Some(host) = host {
            let host = ApiHost::from(host);
            host.url().map_err(|error| bad(API_HOST, &error))?;
            builder = builder.api_host(host);
        }
        Ok(builder)
    };
    read().unwrap_or_else(|bad| Builder {
        bad_variable: Some(bad),
        ..Mengpaneel::builder(None::<&str>)
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn builder(variables: &[(&str, &str)]) -> Builder {
        builder_from(|name| {
            let found = variables
                .iter()
                .find(|(own, _)| *own == name)
                .map(|(_, value)| (*value).to_owned());
            found.ok_or(VarError::NotPresent)
        })
    }

    fn error(variables: &[(&str, &str)]) -> String {
        builder(variables).build().unwrap_err().to_string()
    }

    #[test]
    fn the_environment_sets_token_region_and_host() {
        let none = builder(&[]);
        assert_eq!((none.token.0, none.api_host), (None, Region::Us.into()));
        for (name, region) in [("us", Region::Us), ("EU", Region::Eu), (" in ", Region::In)] {
            let builder = builder(&[
                ("MIXPANEL_TOKEN", "t0ken"),
                ("MIXPANEL_REGION", name),
                ("MIXPANEL_API_HOST", ""),
            ]);
            assert_eq!(
                (builder.token.0.as_deref(), &builder.api_host),
                (Some("t0ken"), &region.into()),
                "{name}"
            );
        }
    }

    #[test]
    fn behind_a_proxy_pages_keep_to_the_region() {
        let variables = [
            ("MIXPANEL_REGION", "eu"),
            ("MIXPANEL_API_HOST", "http://proxy.example"),
        ];
        let builder = builder(&variables);
        assert_eq!(builder.api_host, "http://proxy.example".into());
        assert_eq!(
            builder.page_config().unwrap()["api_host"],
            "https://api-eu.mixpanel.com"
        );
    }

    #[test]
    fn a_bad_variable_is_named_when_it_is_built() {
        let error_of_region = error(&[("MIXPANEL_REGION", "europe")]);
        assert_eq!(
            error_of_region,
            "MIXPANEL_REGION: \"europe\" is none of `us`, `eu` and `in`"
        );
        let error_of_host = error(&[("MIXPANEL_API_HOST", "me:s3cret@api-eu.mixpanel.com")]);
        assert!(
            error_of_host.starts_with("MIXPANEL_API_HOST: ") && !error_of_host.contains("s3cret"),
            "{error_of_host}"
        );
        assert!(
            error_of_host.contains("https://api-eu.mixpanel.com"),
            "{error_of_host}"
        );
        let raw = builder_from(|_| Err(VarError::NotUnicode(OsString::from("x"))))
            .build()
            .unwrap_err()
            .to_string();
        assert_eq!(raw, "MIXPANEL_TOKEN: its value is not UTF-8");
    }

    #[test]
    fn a_required_token_is_asked_for_by_its_variable() {
        for token in [None, Some(""), Some("  ")] {
            let error = Mengpaneel::builder(token)
                .require_token()
                .build()
                .unwrap_err()
                .to_string();
            assert!(error.contains("MIXPANEL_TOKEN"), "{error}");
        }
        assert!(builder(&[]).require_token().build().is_err());
        assert!(
            builder(&[("MIXPANEL_TOKEN", "t")])
                .require_token()
                .build()
                .unwrap()
                .is_enabled()
        );
        assert!(!Mengpaneel::builder("").build().unwrap().is_enabled());
    }
}

//! Options from environment variables.

use std::env::{self, VarError};

use crate::config::{BuildError, Builder};
use crate::deliver::http::host::{ApiHost, Region};
use crate::mengpaneel::Mengpaneel;

/// Name of the variable for the project's token.
pub(crate) const TOKEN: &str = "MIXPANEL_TOKEN";
const REGION: &str = "MIXPANEL_REGION";
const API_HOST: &str = "MIXPANEL_API_HOST";

/// Variable with an invalid value, stored until [`Builder::build`] reports it.
#[derive(Clone, Debug)]
pub(crate) struct InvalidVariable {
    name: &'static str,
    problem: String,
}

impl From<InvalidVariable> for BuildError {
    fn from(InvalidVariable { name, problem }: InvalidVariable) -> Self {
        Self::Environment {
            variable: name,
            problem,
        }
    }
}

impl Mengpaneel {
    /// Starts a builder with the options that the environment sets. Further options may follow.
    ///
    /// | variable | value |
    /// | --- | --- |
    /// | `MIXPANEL_TOKEN` | the project's token. Without one tracking is disabled, or [`require_token`](Builder::require_token) makes `build` fail |
    /// | `MIXPANEL_REGION` | `us` (the default), `eu` or `in`: data residency of the project. Events sent to another region are lost |
    /// | `MIXPANEL_API_HOST` | base URL that the server delivers to instead of the region's, for a proxy. Pages still use the region |
    ///
    /// An empty variable counts as unset. An invalid value is an error of [`Builder::build`], which
    /// names the variable and the valid values.
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

    /// Builds a Mengpaneel with the options of the environment: `builder_from_env().build()`.
    ///
    /// # Errors
    /// The same as those of [`Builder::build`].
    pub fn from_env() -> Result<Self, BuildError> {
        Self::builder_from_env().build()
    }
}

fn builder_from(lookup: impl Fn(&str) -> Result<String, VarError>) -> Builder {
    let value = |name: &'static str| match lookup(name) {
        Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(InvalidVariable {
            name,
            problem: "the value is not UTF-8".to_owned(),
        }),
    };
    let invalid = |name, error: &dyn std::error::Error| InvalidVariable {
        name,
        problem: error.to_string(),
    };
    let read = || {
        let (token, region, host) = (value(TOKEN)?, value(REGION)?, value(API_HOST)?);
        let mut builder = Mengpaneel::builder(token);
        if let Some(region) = region {
            let region: Region = region.parse().map_err(|error| invalid(REGION, &error))?;
            let region = ApiHost::from(region);
            if host.is_some() {
                // Without this, the page of a project behind a proxy would send to the US.
                builder.js_api_host = region.for_page().map(str::to_owned);
            }
            builder = builder.api_host(region);
        }
        if let Some(host) = host {
            let host = ApiHost::from(host);
            host.url().map_err(|error| invalid(API_HOST, &error))?;
            builder = builder.api_host(host);
        }
        Ok(builder)
    };
    read().unwrap_or_else(|invalid| Builder {
        invalid_variable: Some(invalid),
        ..Mengpaneel::builder(None::<&str>)
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn builder(variables: &[(&str, &str)]) -> Builder {
        builder_from(|name| {
            let value = variables
                .iter()
                .find(|(variable, _)| *variable == name)
                .map(|(_, value)| (*value).to_owned());
            value.ok_or(VarError::NotPresent)
        })
    }

    fn error(variables: &[(&str, &str)]) -> String {
        builder(variables).build().unwrap_err().to_string()
    }

    #[test]
    fn environment_sets_token_region_and_host() {
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
    fn pages_use_the_region_behind_a_proxy() {
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
    fn build_error_names_the_invalid_variable() {
        let region_error = error(&[("MIXPANEL_REGION", "europe")]);
        assert_eq!(
            region_error,
            "MIXPANEL_REGION: \"europe\" is none of `us`, `eu` and `in`"
        );
        let host_error = error(&[("MIXPANEL_API_HOST", "me:s3cret@api-eu.mixpanel.com")]);
        assert!(
            host_error.starts_with("MIXPANEL_API_HOST: ") && !host_error.contains("s3cret"),
            "{host_error}"
        );
        assert!(
            host_error.contains("https://api-eu.mixpanel.com"),
            "{host_error}"
        );
        let raw = builder_from(|_| Err(VarError::NotUnicode(OsString::from("x"))))
            .build()
            .unwrap_err()
            .to_string();
        assert_eq!(raw, "MIXPANEL_TOKEN: the value is not UTF-8");
    }

    #[test]
    fn missing_token_error_names_the_variable() {
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

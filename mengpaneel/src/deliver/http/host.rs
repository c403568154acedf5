//! API host: one of Mixpanel's regions, or the base URL of a proxy.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::error::log_text::{Quoted, redacted_url};

/// Region of Mixpanel's servers. A project's data is in one region; data that is sent to another
/// region is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Region {
    /// The United States.
    Us,
    /// The European Union.
    Eu,
    /// India.
    In,
}

/// Error of a text that is not the name of a region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is none of `us`, `eu` and `in`", Quoted(.0))]
pub struct UnknownRegionError(String);

impl FromStr for Region {
    type Err = UnknownRegionError;

    /// Parses `us`, `eu` or `in`, in upper or lower case.
    fn from_str(name: &str) -> Result<Self, UnknownRegionError> {
        match name.to_ascii_lowercase().as_str() {
            "us" => Ok(Self::Us),
            "eu" => Ok(Self::Eu),
            "in" => Ok(Self::In),
            _ => Err(UnknownRegionError(name.to_owned())),
        }
    }
}

/// Base URL of Mixpanel's API: that of a [`Region`] or of a proxy.
///
/// The URL is validated by [`build`](crate::Builder::build).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ApiHost(String);

impl fmt::Debug for ApiHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiHost")
            .field(&redacted_url(&self.0))
            .finish()
    }
}

/// Error of an invalid API host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiHostError {
    /// The API host is not a URL.
    #[error(
        "the API host {host:?} is not a URL ({reason}): use a URL such as https://api-eu.mixpanel.com, or a Region"
    )]
    NotAUrl {
        /// Configured URL, without user, password, query and fragment.
        host: String,
        /// Error of the URL parser.
        reason: url::ParseError,
    },
    /// The scheme of the URL is neither `http` nor `https`.
    #[error(
        "the API host {host:?} is not an HTTP URL: use a URL such as https://api-eu.mixpanel.com, or a Region"
    )]
    NotHttp {
        /// Configured URL, without user, password, query and fragment.
        host: String,
    },
    /// The URL has a part that a base URL cannot have.
    #[error("the API host {host:?} has {part}: remove it, since a base URL ends with its path")]
    NotABase {
        /// Configured URL, without user, password, query and fragment.
        host: String,
        /// Part that must be removed.
        part: &'static str,
    },
}

impl ApiHost {
    /// Returns the `api_host` option for mixpanel-js. `None` for the United States, which is its
    /// default, and for a proxy.
    pub(crate) fn for_page(&self) -> Option<&str> {
        let regions = [Region::Eu, Region::In].map(Self::from);
        regions.contains(self).then_some(self.0.as_str())
    }

    /// Returns the base URL, whose path ends with a slash.
    ///
    /// # Errors
    /// [`ApiHostError`] if the API host is not the base URL of an HTTP server.
    pub fn url(&self) -> Result<Url, ApiHostError> {
        let host = || redacted_url(&self.0);
        let mut url = Url::parse(self.0.trim()).map_err(|reason| ApiHostError::NotAUrl {
            host: host(),
            reason,
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ApiHostError::NotHttp { host: host() });
        }
        let has_user = !url.username().is_empty() || url.password().is_some();
        let parts = [
            (url.query().is_some(), "a query"),
            (url.fragment().is_some(), "a fragment"),
            (has_user, "a user name"),
        ];
        if let Some((_, part)) = parts.into_iter().find(|(is_present, _)| *is_present) {
            return Err(ApiHostError::NotABase { host: host(), part });
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Ok(url)
    }
}

impl From<Region> for ApiHost {
    fn from(region: Region) -> Self {
        let host = match region {
            Region::Us => "https://api.mixpanel.com",
            Region::Eu => "https://api-eu.mixpanel.com",
            Region::In => "https://api-in.mixpanel.com",
        };
        Self(host.to_owned())
    }
}

impl From<&str> for ApiHost {
    fn from(host: &str) -> Self {
        Self(host.to_owned())
    }
}

impl From<String> for ApiHost {
    fn from(host: String) -> Self {
        Self(host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_and_proxy_have_base_urls() {
        for (host, url) in [
            (ApiHost::from(Region::Us), "https://api.mixpanel.com/"),
            (ApiHost::from(Region::Eu), "https://api-eu.mixpanel.com/"),
            (ApiHost::from(Region::In), "https://api-in.mixpanel.com/"),
            (
                "http://127.0.0.1:8080/mp".into(),
                "http://127.0.0.1:8080/mp/",
            ),
            (" https://proxy.example ".into(), "https://proxy.example/"),
        ] {
            assert_eq!(host.url().unwrap().as_str(), url);
        }
    }

    #[test]
    fn invalid_base_url_is_explained() {
        for (host, expected) in [
            ("api-eu.mixpanel.com", "is not a URL"),
            ("", "is not a URL"),
            ("https://", "is not a URL"),
            ("localhost:8080", "is not an HTTP URL"),
            ("https://proxy.example/?a=b", "has a query"),
            ("https://proxy.example/#a", "has a fragment"),
            ("https://me@proxy.example/", "has a user name"),
        ] {
            let error = ApiHost::from(host).url().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn secrets_in_api_host_are_never_shown() {
        for host in [
            "https://me:s3cret@proxy.example/",
            "https://s3cret@proxy.example/",
            "https://me:s3cret@",
            "me:s3cret@proxy.example",
            "redis://me:s3cret@proxy.example",
            "https://proxy.example/?token=s3cret",
            "https://proxy.example/#s3cret",
            "https://me:s3cret?@proxy.example",
        ] {
            let host = ApiHost::from(host);
            let error = host.url().unwrap_err();
            let shown = format!("{host:?} {error} {error:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
}

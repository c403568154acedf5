//! Where Mixpanel is: one of its regions, or a proxy's base URL.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::error::log_text::{Quoted, redacted_url};

/// A region of Mixpanel's. A project's data lives in one; what is sent to another is lost.
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

/// A text that names no region.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is none of `us`, `eu` and `in`", Quoted(.0))]
pub struct UnknownRegionError(String);

impl FromStr for Region {
    type Err = UnknownRegionError;

    /// Reads `us`, `eu` or `in`, in any case.
    fn from_str(name: &str) -> Result<Self, UnknownRegionError> {
        match name.to_ascii_lowercase().as_str() {
            "us" => Ok(Self::Us),
            "eu" => Ok(Self::Eu),
            "in" => Ok(Self::In),
            _ => Err(UnknownRegionError(name.to_owned())),
        }
    }
}

/// The base URL of Mixpanel's API: a [`Region`], or that of a proxy.
///
/// It is looked at when the whole is built, so that a mistake is an error there.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ApiHost(String);

impl fmt::Debug for ApiHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiHost")
            .field(&redacted_url(&self.0))
            .finish()
    }
}

/// What is wrong with an API host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiHostError {
    /// It cannot be read as a URL.
    #[error(
        "the API host {host:?} is no URL ({reason}): write it like https://api-eu.mixpanel.com, or name a Region"
    )]
    NotAUrl {
        /// URL that was given, without user, password, query and fragment.
        host: String,
        /// What the URL parser says.
        reason: url::ParseError,
    },
    /// It is a URL, but not of the web.
    #[error(
        "the API host {host:?} is not reached by HTTP: write it like https://api-eu.mixpanel.com, or name a Region"
    )]
    NotHttp {
        /// URL that was given, without user, password, query and fragment.
        host: String,
    },
    /// It has parts that a base URL cannot have.
    #[error("the API host {host:?} has {part}: a base URL ends with its path")]
    NotABase {
        /// URL that was given, without user, password, query and fragment.
        host: String,
        /// The part that does not belong there.
        part: &'static str,
    },
}

impl ApiHost {
    /// What the page's mixpanel-js is to be told, where its own default is another.
    pub(crate) fn for_page(&self) -> Option<&str> {
        let regions = [Region::Eu, Region::In].map(Self::from);
        regions.contains(self).then_some(self.0.as_str())
    }

    /// The base URL, whose path ends with a slash.
    ///
    /// # Errors
    /// Where what was given is no base URL to which HTTP requests can be sent.
    pub fn url(&self) -> Result<Url, ApiHostError> {
        let host = || redacted_url(&self.0);
        let mut url = Url::parse(self.0.trim()).map_err(|reason| ApiHostError::NotAUrl {
            host: host(),
            reason,
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ApiHostError::NotHttp { host: host() });
        }
        let part = if url.query().is_some() {
            Some("a query")
        } else if url.fragment().is_some() {
            Some("a fragment")
        } else if !url.username().is_empty() || url.password().is_some() {
            Some("a user name")
        } else {
            None
        };
        if let Some(part) = part {
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
    fn a_region_or_a_proxy_is_a_base_url() {
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
    fn what_is_no_base_url_is_told_what_is_wrong() {
        for (host, wrong) in [
            ("api-eu.mixpanel.com", "is no URL"),
            ("", "is no URL"),
            ("https://", "is no URL"),
            ("localhost:8080", "is not reached by HTTP"),
            ("https://proxy.example/?a=b", "has a query"),
            ("https://proxy.example/#a", "has a fragment"),
            ("https://me@proxy.example/", "has a user name"),
        ] {
            let error = ApiHost::from(host).url().unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_secret_in_an_api_host_is_never_shown() {
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

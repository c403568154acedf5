//! Hosts: where Mixpanel takes what a server sends. There is no default region to fall into by
//! accident: a project's data sent to another region's host is dropped without a word.

use thiserror::Error;
use url::Url;

/// Where a project's data is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Region {
    /// United States: `api.mixpanel.com`.
    Us,
    /// European Union: `api-eu.mixpanel.com`.
    Eu,
    /// India: `api-in.mixpanel.com`.
    In,
}

impl Region {
    /// The base URL for servers.
    fn server(self) -> &'static str {
        match self {
            Self::Us => "https://api.mixpanel.com",
            Self::Eu => "https://api-eu.mixpanel.com",
            Self::In => "https://api-in.mixpanel.com",
        }
    }
}

/// Where the server delivers: a [`Region`], or the base URL of a proxy.
///
/// ```
/// use mengpaneel::{ApiHost, Region};
///
/// let eu: ApiHost = Region::Eu.into();
/// let proxy: ApiHost = "https://example.com/mp".into();
/// # let _ = (eu, proxy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiHost(Host);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Region(Region),
    Proxy(String),
}

/// A base URL that nothing can be delivered to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{url:?} is no base URL such as \"https://example.com/mp\": {why}")]
pub struct BadHost {
    url: String,
    why: String,
}

impl From<Region> for ApiHost {
    fn from(region: Region) -> Self {
        Self(Host::Region(region))
    }
}

impl From<&str> for ApiHost {
    fn from(url: &str) -> Self {
        Self(Host::Proxy(url.trim().to_owned()))
    }
}

impl From<String> for ApiHost {
    fn from(url: String) -> Self {
        Self::from(url.as_str())
    }
}

impl ApiHost {
    /// The base URL, checked, ending in `/`.
    pub(crate) fn url(&self) -> Result<Url, BadHost> {
        let given = match &self.0 {
            Host::Region(region) => region.server(),
            Host::Proxy(url) => url,
        };
        let bad = |why: &str| BadHost { url: given.to_owned(), why: why.to_owned() };
        let mut url = Url::parse(given).map_err(|error| bad(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(bad("it must begin with http:// or https://"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it has a query or a fragment"));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(url)
    }

    /// What the page's mixpanel-js is to be told, where its own default is another.
    pub(crate) fn for_page(&self) -> Option<&'static str> {
        match &self.0 {
            Host::Region(Region::Eu) => Some("https://api-eu.mixpanel.com"),
            Host::Region(Region::In) => Some("https://api-in.mixpanel.com"),
            Host::Region(Region::Us) | Host::Proxy(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_checked_and_ends_in_a_slash() {
        let url = |host: &str| ApiHost::from(host).url().map(String::from);
        assert_eq!(url("https://example.com/mp").unwrap(), "https://example.com/mp/");
        assert_eq!(url("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080/");
        for bad in ["", "example.com", "ftp://example.com", "https://example.com/?a=b", "mailto:a@b.c"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_region_has_its_own_host() {
        assert_eq!(ApiHost::from(Region::Eu).url().unwrap().as_str(), "https://api-eu.mixpanel.com/");
        assert_eq!(ApiHost::from(Region::Us).for_page(), None);
    }
}

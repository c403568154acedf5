//! Check of a page's Content-Security-Policy for the snippet and mixpanel-js.
//!
//! Crates that implement the whole standard check requests as a browser does. They do not tell
//! which nonce a script needs, hence this implementation.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderMap};
use thiserror::Error;
use url::Url;

#[cfg(test)]
mod tests;

/// Result of the check: the condition under which the snippet can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CspResult {
    /// Unconditionally.
    Allowed,
    /// With this nonce.
    Nonce(String),
    /// Never, because of this policy.
    Forbidden(Obstacle),
}

/// Policy that blocks the scripts of a page. Its text tells how an application can allow them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Obstacle {
    /// Directive of a policy.
    #[error("the page's Content-Security-Policy blocks mixpanel-js by its {directive}: {remedy}")]
    Directive {
        /// Name of the directive.
        directive: &'static str,
        /// Sources to add to the policy.
        remedy: String,
    },
    /// `sandbox` without the permissions that scripts need.
    #[error(
        "the page's Content-Security-Policy blocks mixpanel-js by its sandbox: add allow-scripts and allow-same-origin"
    )]
    Sandbox,
    /// Trusted Types.
    #[error(
        "the page's Content-Security-Policy requires Trusted Types, which the loader does not support: load \
         mixpanel-js yourself, and build with loader(Loader::Never)"
    )]
    TrustedTypes,
    /// Isolation policy in this header, while mixpanel-js comes from another origin.
    #[error(
        "the page's {0} blocks mixpanel-js, whose host sends no CORS headers: set lib_url to a copy on the page's \
         own origin, or use the value credentialless"
    )]
    Isolation(&'static str),
    /// `Integrity-Policy` for scripts.
    #[error(
        "the page's Integrity-Policy blocks scripts without a hash: load mixpanel-js yourself, and build with \
         loader(Loader::Never)"
    )]
    Integrity,
    /// `http:` URL in an `https:` page.
    #[error("an https: page may not use {0}: set an https: URL")]
    MixedContent(String),
}

/// URLs that the snippet needs, besides permission to run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requirements<'a> {
    /// The page's own origin, which `'self'` denotes. `None` if unknown.
    pub(crate) origin: Option<&'a str>,
    /// URL of mixpanel-js. `None` if the snippet does not load it.
    pub(crate) script: Option<&'a str>,
    /// Base URL that mixpanel-js sends events to. `None` if it sends none.
    pub(crate) connect: Option<&'a str>,
}

impl Requirements<'_> {
    /// Returns the source expression that allows a URL.
    fn source(&self, url: &str) -> String {
        let page = self.page();
        match page.as_ref().and_then(|page| page.join(url).ok()) {
            Some(url) if page.is_some_and(|page| page.origin() == url.origin()) => {
                "'self'".to_owned()
            }
            Some(url) => url.origin().ascii_serialization(),
            None => "its host".to_owned(),
        }
    }

    /// Returns the page's origin, or a unique one if it is unknown. `None` if it is malformed.
    pub(crate) fn page(&self) -> Option<Url> {
        Url::parse(self.origin.unwrap_or("https://page.invalid")).ok()
    }
}

/// Checks all policies together: those of the headers, and those that the page itself declares in
/// `meta` tags. A Report-Only policy forbids nothing.
pub(crate) fn check(
    headers: &HeaderMap,
    declared: &[String],
    requirements: &Requirements<'_>,
) -> CspResult {
    let mut nonces: Option<Vec<String>> = None;
    let sent = headers
        .get_all(CONTENT_SECURITY_POLICY)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let sent: Vec<String> = sent.collect();
    let sent = sent
        .iter()
        .flat_map(|header| header.split(','))
        .map(Policy::parse);
    let declared = declared
        .iter()
        .flat_map(|header| header.split(','))
        .map(Policy::declared);
    for policy in sent.chain(declared) {
        match policy.check(requirements) {
            Ok(None) => {}
            Ok(Some((directive, offered))) => {
                let common: Vec<String> = match nonces {
                    None => offered,
                    Some(earlier) => earlier
                        .into_iter()
                        .filter(|nonce| offered.contains(nonce))
                        .collect(),
                };
                if common.is_empty() {
                    let remedy = "use the same nonce in all policies of the page".to_owned();
                    return CspResult::Forbidden(Obstacle::Directive { directive, remedy });
                }
                nonces = Some(common);
            }
            Err(obstacle) => return CspResult::Forbidden(obstacle),
        }
    }
    match nonces.and_then(|nonces| nonces.into_iter().next()) {
        Some(nonce) => CspResult::Nonce(nonce),
        None => CspResult::Allowed,
    }
}

/// Name of the deciding directive, and the nonces that it lists. `None` if no nonce is needed.
type Candidates<'p> = Option<(&'p str, Vec<String>)>;

/// Directives of one policy, with their names in lower case.
struct Policy<'p>(Vec<(String, Vec<&'p str>)>);

impl<'p> Policy<'p> {
    fn parse(policy: &'p str) -> Self {
        let mut directives: Vec<(String, Vec<&str>)> = Vec::new();
        for directive in policy.split(';') {
            let mut words = directive.split_ascii_whitespace();
            if let Some(name) = words.next().map(str::to_ascii_lowercase)
                && directives.iter().all(|(earlier, _)| *earlier != name)
            {
                directives.push((name, words.collect()));
            }
        }
        Self(directives)
    }

    /// Reads a policy that a `meta` tag declares, where `sandbox` is ignored:
    /// <https://html.spec.whatwg.org/#attr-meta-http-equiv-content-security-policy>.
    fn declared(policy: &'p str) -> Self {
        let mut policy = Self::parse(policy);
        policy.0.retain(|(name, _)| name != "sandbox");
        policy
    }

    /// Returns the first of these directives that the policy contains.
    fn first_of(&self, names: &[&'static str]) -> Option<(&'static str, &[&'p str])> {
        names.iter().find_map(|name| {
            let (_, sources) = self.0.iter().find(|(directive, _)| directive == name)?;
            Some((*name, sources.as_slice()))
        })
    }

    fn check(&self, requirements: &Requirements<'_>) -> Result<Candidates<'static>, Obstacle> {
        // Without its origin a page has no cookies and no storage, and mixpanel-js throws.
        if let Some((_, tokens)) = self.first_of(&["sandbox"])
            && !(has(tokens, "allow-scripts") && has(tokens, "allow-same-origin"))
        {
            return Err(Obstacle::Sandbox);
        }
        if let Some((_, tokens)) = self.first_of(&["require-trusted-types-for"])
            && requirements.script.is_some()
            && has(tokens, "'script'")
        {
            return Err(Obstacle::TrustedTypes);
        }
        match (
            self.missing_for_connections(requirements),
            self.check_scripts(requirements),
        ) {
            (None, scripts) => scripts.map_err(Obstacle::from),
            (Some(connections), Ok(_)) => Err(connections.into()),
            // Both are reported at once, so that one correction of the policy is enough.
            (Some(MissingSource { directive, remedy }), Err(scripts)) => Err(Obstacle::Directive {
                directive,
                remedy: format!("{remedy}; {}", scripts.remedy),
            }),
        }
    }

    /// Returns the source that the policy lacks for mixpanel-js to send events.
    fn missing_for_connections(&self, requirements: &Requirements<'_>) -> Option<MissingSource> {
        let (name, sources) = self.first_of(&["connect-src", "default-src"])?;
        let url = requirements
            .connect
            .filter(|url| !allows(sources, url, requirements))?;
        Some(MissingSource::new(
            name,
            "connect-src",
            &requirements.source(url),
        ))
    }

    fn check_scripts(
        &self,
        requirements: &Requirements<'_>,
    ) -> Result<Candidates<'static>, MissingSource> {
        let Some((name, sources)) =
            self.first_of(&["script-src-elem", "script-src", "default-src"])
        else {
            return Ok(None);
        };
        let nonces: Vec<String> = sources.iter().filter_map(|source| nonce(source)).collect();
        if !nonces.is_empty() {
            // The loader sets the nonce on mixpanel-js too, so its URL need not be listed.
            return Ok(Some((name, nonces)));
        }
        let strict = has(sources, "'strict-dynamic'")
            || sources.iter().any(|source| is_nonce_or_hash(source));
        let allows_inline = has(sources, "'unsafe-inline'") && !strict;
        if !allows_inline {
            return Err(MissingSource::new(
                name,
                "script-src",
                "'nonce-…' (a new one for each response)",
            ));
        }
        match requirements
            .script
            .filter(|url| !allows(sources, url, requirements))
        {
            Some(url) => Err(MissingSource::new(
                name,
                "script-src",
                &requirements.source(url),
            )),
            None => Ok(None),
        }
    }
}

/// Correction of a directive that lacks a source.
struct MissingSource {
    directive: &'static str,
    remedy: String,
}

impl MissingSource {
    /// Describes how to list a source. If `default-src` decides, the remedy is a new directive
    /// named `specific`, so that `default-src` stays as it is for other purposes.
    fn new(directive: &'static str, specific: &str, source: &str) -> Self {
        let remedy = match directive {
            "default-src" => {
                format!("add a {specific} with the sources of default-src and {source}")
            }
            directive => format!("add {source} to {directive}"),
        };
        Self { directive, remedy }
    }
}

impl From<MissingSource> for Obstacle {
    fn from(MissingSource { directive, remedy }: MissingSource) -> Self {
        Self::Directive { directive, remedy }
    }
}

fn has(sources: &[&str], keyword: &str) -> bool {
    sources
        .iter()
        .any(|source| source.eq_ignore_ascii_case(keyword))
}

/// Returns the value in `'prefix-value'`. The prefix is case-insensitive, the value is not.
fn quoted<'s>(source: &'s str, prefix: &str) -> Option<&'s str> {
    let inside = source.strip_prefix('\'')?.strip_suffix('\'')?;
    let (name, value) = inside.split_once('-')?;
    name.eq_ignore_ascii_case(prefix).then_some(value)
}

/// Returns the nonce of a source. Chromium ignores a nonce that is not Base64 or has padding before
/// its end: <https://www.w3.org/TR/CSP3/#grammardef-base64-value>.
fn nonce(source: &str) -> Option<String> {
    let value = quoted(source, "nonce")?;
    let digits = value.trim_end_matches('=');
    let is_digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    let is_valid =
        !digits.is_empty() && value.len() - digits.len() <= 2 && digits.chars().all(is_digit);
    is_valid.then(|| value.to_owned())
}

/// Returns whether a source is a nonce or a hash, valid or not. Beside an invalid one some browsers
/// ignore `'unsafe-inline'`, others do not.
fn is_nonce_or_hash(source: &str) -> bool {
    ["nonce", "sha256", "sha384", "sha512"]
        .iter()
        .any(|prefix| quoted(source, prefix).is_some())
}

/// Returns whether the sources allow this URL. A malformed URL is not allowed.
fn allows(sources: &[&str], url: &str, requirements: &Requirements<'_>) -> bool {
    let Some(page) = requirements.page() else {
        return false;
    };
    let Ok(url) = page.join(url) else {
        return false;
    };
    sources
        .iter()
        .any(|source| matches_source(source, &url, &page))
}

fn matches_source(source: &str, url: &Url, page: &Url) -> bool {
    if source.eq_ignore_ascii_case("'self'") {
        return url.origin() == page.origin();
    }
    if source == "*" {
        return matches!(url.scheme(), "http" | "https");
    }
    if let Some(scheme) = source.strip_suffix(':') {
        return matches_scheme(scheme, url);
    }
    let (scheme, rest) = source
        .split_once("://")
        .unwrap_or_else(|| (page.scheme(), source));
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let actual = url.host_str().unwrap_or_default();
    let is_same_host = match host.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => {
            suffix.starts_with('.')
                && actual
                    .to_ascii_lowercase()
                    .ends_with(&suffix.to_ascii_lowercase())
        }
        None => host.eq_ignore_ascii_case(actual),
    };
    let is_same_port = match port {
        None => url.port().is_none(),
        Some("*") => true,
        Some(port) => {
            let actual = url.port_or_known_default();
            port.parse().ok() == actual || (port == "80" && actual == Some(443))
        }
    };
    let is_same_path = match path {
        "" | "/" => true,
        folder if folder.ends_with('/') => url.path().starts_with(folder),
        exact => url.path() == exact,
    };
    matches_scheme(scheme, url) && is_same_host && is_same_port && is_same_path
}

/// Returns whether a URL has this scheme. An `https:` URL matches an `http:` source too.
fn matches_scheme(scheme: &str, url: &Url) -> bool {
    scheme.eq_ignore_ascii_case(url.scheme())
        || (scheme.eq_ignore_ascii_case("http") && url.scheme() == "https")
}

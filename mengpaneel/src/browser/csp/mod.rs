//! What a page's Content-Security-Policy says of our script.
//!
//! Our own few lines, not a crate: those that know the whole standard judge requests as a browser
//! does, and do not say which nonce would have been right.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderMap};
use thiserror::Error;
use url::Url;

#[cfg(test)]
mod tests;

/// Whether our block can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CspResult {
    /// As it is.
    Allowed,
    /// With this nonce.
    Nonce(String),
    /// Not at all.
    Forbidden(Obstacle),
}

/// Policy that stops the scripts of a page, and how an application lets them run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Obstacle {
    /// A directive of a policy.
    #[error("the page's Content-Security-Policy stops mixpanel-js by its {directive}: {remedy}")]
    Directive {
        /// Name of the directive.
        directive: &'static str,
        /// Sources to add to the policy.
        remedy: String,
    },
    /// `sandbox` without what scripts need.
    #[error(
        "the page's Content-Security-Policy stops mixpanel-js by its sandbox: add allow-scripts and allow-same-origin"
    )]
    Sandbox,
    /// Trusted Types.
    #[error(
        "the page's Content-Security-Policy requires Trusted Types, which the loader has not: load mixpanel-js \
         yourself, and build with loader(Loader::Never)"
    )]
    TrustedTypes,
    /// A policy of isolation, by this header, while mixpanel-js comes from another origin.
    #[error(
        "the page's {0} blocks mixpanel-js, whose host does not allow it with CORS: set lib_url to a copy on the \
         page's own origin, or say credentialless"
    )]
    Isolation(&'static str),
    /// `Integrity-Policy` for scripts.
    #[error(
        "the page's Integrity-Policy blocks scripts without a hash: load mixpanel-js yourself, and build with \
         loader(Loader::Never)"
    )]
    Integrity,
    /// An `http:` URL in a page of `https:`.
    #[error("a page of https: may not use {0}: set an https: URL")]
    MixedContent(String),
}

/// What the block needs besides running.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requirements<'a> {
    /// The page's own origin, which `'self'` stands for.
    pub(crate) origin: Option<&'a str>,
    /// Where mixpanel-js is loaded from, if the block loads it.
    pub(crate) script: Option<&'a str>,
    /// Where mixpanel-js sends to.
    pub(crate) connect: Option<&'a str>,
}

impl Requirements<'_> {
    /// Source that lists a URL.
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

    /// The page's origin, or one that nothing else has.
    pub(crate) fn page(&self) -> Option<Url> {
        Url::parse(self.origin.unwrap_or("https://page.invalid")).ok()
    }
}

/// What all policies together say: those of the headers, and those that the page itself declares
/// in `meta` tags. Reports are nobody's business here: a Report-Only policy forbids nothing.
pub(crate) fn check(
    headers: &HeaderMap,
    declared: &[String],
    needs: &Requirements<'_>,
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
        match policy.admits(needs) {
            Ok(None) => {}
            Ok(Some((directive, offered))) => {
                let both: Vec<String> = match nonces {
                    None => offered,
                    Some(known) => known
                        .into_iter()
                        .filter(|it| offered.contains(it))
                        .collect(),
                };
                if both.is_empty() {
                    let remedy = "give all policies of the page the same nonce".to_owned();
                    return CspResult::Forbidden(Obstacle::Directive { directive, remedy });
                }
                nonces = Some(both);
            }
            Err(obstacle) => return CspResult::Forbidden(obstacle),
        }
    }
    match nonces.and_then(|nonces| nonces.into_iter().next()) {
        Some(nonce) => CspResult::Nonce(nonce),
        None => CspResult::Allowed,
    }
}

/// The directive that decides, and the nonces that it offers.
type Candidates<'p> = Option<(&'p str, Vec<String>)>;

/// One policy: its directives, names in lower case.
struct Policy<'p>(Vec<(String, Vec<&'p str>)>);

impl<'p> Policy<'p> {
    fn parse(policy: &'p str) -> Self {
        let mut directives: Vec<(String, Vec<&str>)> = Vec::new();
        for directive in policy.split(';') {
            let mut words = directive.split_ascii_whitespace();
            if let Some(name) = words.next().map(str::to_ascii_lowercase)
                && directives.iter().all(|(known, _)| *known != name)
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

    /// The first of these directives that the policy has.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, &[&'p str])> {
        names.iter().find_map(|name| {
            let (_, sources) = self.0.iter().find(|(known, _)| known == name)?;
            Some((*name, sources.as_slice()))
        })
    }

    fn admits(&self, needs: &Requirements<'_>) -> Result<Candidates<'static>, Obstacle> {
        // Without its origin a page has no cookies and no storage, and mixpanel-js throws.
        if let Some((_, tokens)) = self.first(&["sandbox"])
            && !(has(tokens, "allow-scripts") && has(tokens, "allow-same-origin"))
        {
            return Err(Obstacle::Sandbox);
        }
        if let Some((_, tokens)) = self.first(&["require-trusted-types-for"])
            && needs.script.is_some()
            && has(tokens, "'script'")
        {
            return Err(Obstacle::TrustedTypes);
        }
        match (self.stops_connecting(needs), self.admits_scripts(needs)) {
            (None, scripts) => scripts.map_err(Obstacle::from),
            (Some(connecting), Ok(_)) => Err(connecting.into()),
            // Both are told at once, so that nobody mends the first and waits for the second.
            (Some(Missing { directive, remedy }), Err(scripts)) => Err(Obstacle::Directive {
                directive,
                remedy: format!("{remedy}; {}", scripts.remedy),
            }),
        }
    }

    /// Returns what the policy lacks for mixpanel-js to send anything.
    fn stops_connecting(&self, needs: &Requirements<'_>) -> Option<Missing> {
        let (name, sources) = self.first(&["connect-src", "default-src"])?;
        let url = needs.connect.filter(|url| !lists(sources, url, needs))?;
        Some(Missing::new(name, "connect-src", &needs.source(url)))
    }

    fn admits_scripts(&self, needs: &Requirements<'_>) -> Result<Candidates<'static>, Missing> {
        let Some((name, sources)) = self.first(&["script-src-elem", "script-src", "default-src"])
        else {
            return Ok(None);
        };
        let nonces: Vec<String> = sources.iter().filter_map(|source| nonce(source)).collect();
        if !nonces.is_empty() {
            // What the loader adds carries the nonce too, so that it needs no place in the list.
            return Ok(Some((name, nonces)));
        }
        let strict =
            has(sources, "'strict-dynamic'") || sources.iter().any(|it| is_nonce_or_hash(it));
        let runs = has(sources, "'unsafe-inline'") && !strict;
        if !runs {
            return Err(Missing::new(
                name,
                "script-src",
                "'nonce-…' (a new one for each response)",
            ));
        }
        match needs.script.filter(|url| !lists(sources, url, needs)) {
            Some(url) => Err(Missing::new(name, "script-src", &needs.source(url))),
            None => Ok(None),
        }
    }
}

/// A source that a directive does not list.
struct Missing {
    directive: &'static str,
    remedy: String,
}

impl Missing {
    /// Where `default-src` decides, what it lists for other purposes stays as it is.
    fn new(directive: &'static str, wanted: &str, source: &str) -> Self {
        let remedy = match directive {
            "default-src" => format!("add a {wanted} with the sources of default-src and {source}"),
            directive => format!("add {source} to {directive}"),
        };
        Self { directive, remedy }
    }
}

impl From<Missing> for Obstacle {
    fn from(Missing { directive, remedy }: Missing) -> Self {
        Self::Directive { directive, remedy }
    }
}

fn has(sources: &[&str], keyword: &str) -> bool {
    sources
        .iter()
        .any(|source| source.eq_ignore_ascii_case(keyword))
}

/// The inside of `'name-…'`, whose prefix is not case-sensitive and whose value is.
fn quoted<'s>(source: &'s str, prefix: &str) -> Option<&'s str> {
    let inside = source.strip_prefix('\'')?.strip_suffix('\'')?;
    let (name, value) = inside.split_once('-')?;
    name.eq_ignore_ascii_case(prefix).then_some(value)
}

/// The nonce that a source offers. One that is no Base64, with padding anywhere but at its end, is
/// ignored by Chromium: <https://www.w3.org/TR/CSP3/#grammardef-base64-value>.
fn nonce(source: &str) -> Option<String> {
    let value = quoted(source, "nonce")?;
    let digits = value.trim_end_matches('=');
    let is_digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    let is_valid =
        !digits.is_empty() && value.len() - digits.len() <= 2 && digits.chars().all(is_digit);
    is_valid.then(|| value.to_owned())
}

/// Returns whether a source is a nonce or a hash, valid or not: some browsers ignore
/// `'unsafe-inline'` beside an invalid one, others do not.
fn is_nonce_or_hash(source: &str) -> bool {
    ["nonce", "sha256", "sha384", "sha512"]
        .iter()
        .any(|prefix| quoted(source, prefix).is_some())
}

/// Whether the list names this address. An address that cannot be read is not named.
fn lists(sources: &[&str], url: &str, needs: &Requirements<'_>) -> bool {
    let Some(page) = needs.page() else {
        return false;
    };
    let Ok(url) = page.join(url) else {
        return false;
    };
    sources.iter().any(|source| names(source, &url, &page))
}

fn names(source: &str, url: &Url, page: &Url) -> bool {
    if source.eq_ignore_ascii_case("'self'") {
        return url.origin() == page.origin();
    }
    if source == "*" {
        return matches!(url.scheme(), "http" | "https");
    }
    if let Some(scheme) = source.strip_suffix(':') {
        return fits_scheme(scheme, url);
    }
    let (scheme, rest) = source
        .split_once("://")
        .unwrap_or_else(|| (page.scheme(), source));
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let actual = url.host_str().unwrap_or_default();
    let same_host = match host.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => {
            suffix.starts_with('.')
                && actual
                    .to_ascii_lowercase()
                    .ends_with(&suffix.to_ascii_lowercase())
        }
        None => host.eq_ignore_ascii_case(actual),
    };
    let same_port = match port {
        None => url.port().is_none(),
        Some("*") => true,
        Some(port) => {
            let actual = url.port_or_known_default();
            port.parse().ok() == actual || (port == "80" && actual == Some(443))
        }
    };
    let same_path = match path {
        "" | "/" => true,
        folder if folder.ends_with('/') => url.path().starts_with(folder),
        exact => url.path() == exact,
    };
    fits_scheme(scheme, url) && same_host && same_port && same_path
}

/// A secure address satisfies an insecure source.
fn fits_scheme(scheme: &str, url: &Url) -> bool {
    scheme.eq_ignore_ascii_case(url.scheme())
        || (scheme.eq_ignore_ascii_case("http") && url.scheme() == "https")
}

//! What a page's Content-Security-Policy says of our script.
//!
//! Our own few lines, not a crate: those that know the whole standard judge requests as a browser
//! does, and do not say which nonce would have been right.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, HeaderMap};
use url::Url;

#[cfg(test)]
mod tests;

/// Whether our block can run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it is.
    Allowed,
    /// With this nonce.
    Nonce(String),
    /// Not at all: the directive that forbids it.
    Forbidden(String),
}

/// What the block needs besides running.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs<'a> {
    /// The page's own origin, which `'self'` stands for.
    pub(crate) origin: Option<&'a str>,
    /// Where mixpanel-js is loaded from, if the block loads it.
    pub(crate) script: Option<&'a str>,
    /// Where mixpanel-js sends to.
    pub(crate) connect: Option<&'a str>,
}

/// What all policies together say: those of the headers, and those that the page itself declares
/// in `meta` tags. Reports are nobody's business here: a Report-Only policy forbids nothing.
pub(crate) fn check(headers: &HeaderMap, declared: &[String], needs: &Needs<'_>) -> Verdict {
    let mut nonces: Option<Vec<String>> = None;
    let sent =
        headers.get_all(CONTENT_SECURITY_POLICY).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let all: Vec<String> = sent.chain(declared.iter().cloned()).collect();
    for policy in all.iter().flat_map(|header| header.split(',')) {
        match Policy::parse(policy).admits(needs) {
            Ok(None) => {}
            Ok(Some((directive, offered))) => {
                let both: Vec<String> = match nonces {
                    None => offered,
                    Some(known) => known.into_iter().filter(|it| offered.contains(it)).collect(),
                };
                if both.is_empty() {
                    return Verdict::Forbidden(directive.to_owned());
                }
                nonces = Some(both);
            }
            Err(directive) => return Verdict::Forbidden(directive.to_owned()),
        }
    }
    match nonces.and_then(|nonces| nonces.into_iter().next()) {
        Some(nonce) => Verdict::Nonce(nonce),
        None => Verdict::Allowed,
    }
}

/// The directive that decides, and the nonces that it offers.
type Offer<'p> = Option<(&'p str, Vec<String>)>;

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

    /// The first of these directives that the policy has.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, &[&'p str])> {
        names.iter().find_map(|name| {
            let (_, sources) = self.0.iter().find(|(known, _)| known == name)?;
            Some((*name, sources.as_slice()))
        })
    }

    fn admits(&self, needs: &Needs<'_>) -> Result<Offer<'static>, &'static str> {
        if let Some((name, tokens)) = self.first(&["sandbox"])
            && !has(tokens, "allow-scripts")
        {
            return Err(name);
        }
        if let Some((name, tokens)) = self.first(&["require-trusted-types-for"])
            && needs.script.is_some()
            && has(tokens, "'script'")
        {
            return Err(name);
        }
        if let Some((name, sources)) = self.first(&["connect-src", "default-src"])
            && needs.connect.is_some_and(|url| !lists(sources, url, needs))
        {
            return Err(name);
        }
        let Some((name, sources)) = self.first(&["script-src-elem", "script-src", "default-src"]) else {
            return Ok(None);
        };
        let nonces: Vec<String> = sources.iter().filter_map(|source| nonce(source)).collect();
        if !nonces.is_empty() {
            // What the loader adds carries the nonce too, so that it needs no place in the list.
            return Ok(Some((name, nonces)));
        }
        let strict = has(sources, "'strict-dynamic'") || sources.iter().any(|it| is_hash(it));
        let runs = has(sources, "'unsafe-inline'") && !strict;
        if runs && needs.script.is_none_or(|url| lists(sources, url, needs)) { Ok(None) } else { Err(name) }
    }
}

fn has(sources: &[&str], keyword: &str) -> bool {
    sources.iter().any(|source| source.eq_ignore_ascii_case(keyword))
}

/// The inside of `'name-…'`, whose prefix is not case-sensitive and whose value is.
fn quoted<'s>(source: &'s str, prefix: &str) -> Option<&'s str> {
    let inside = source.strip_prefix('\'')?.strip_suffix('\'')?;
    let (name, value) = inside.split_once('-')?;
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    (name.eq_ignore_ascii_case(prefix) && !value.is_empty() && value.chars().all(is_base64)).then_some(value)
}

fn nonce(source: &str) -> Option<String> {
    quoted(source, "nonce").map(str::to_owned)
}

fn is_hash(source: &str) -> bool {
    ["sha256", "sha384", "sha512"].iter().any(|algorithm| quoted(source, algorithm).is_some())
}

/// Whether the list names this address. An address that cannot be read is not named.
fn lists(sources: &[&str], url: &str, needs: &Needs<'_>) -> bool {
    let Ok(page) = Url::parse(needs.origin.unwrap_or("https://page.invalid")) else {
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
    let (scheme, rest) = source.split_once("://").unwrap_or_else(|| (page.scheme(), source));
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
        Some(suffix) => suffix.starts_with('.') && actual.to_ascii_lowercase().ends_with(&suffix.to_ascii_lowercase()),
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
    scheme.eq_ignore_ascii_case(url.scheme()) || (scheme.eq_ignore_ascii_case("http") && url.scheme() == "https")
}

//! The user agent, in mixpanel-js's own words: `Mobile Safari`, `Mac OS X`, a version that is a
//! number. A server that said it otherwise would split every report in two.

use serde_json::{Number, Value};

use crate::call::Properties;

/// Spiders whose events mixpanel-js does not send.
const BOTS: [&str; 24] = [
    "adsbot-google",
    "ahrefsbot",
    "ahrefssiteaudit",
    "amazonbot",
    "apis-google",
    "baiduspider",
    "bingbot",
    "bingpreview",
    "chrome-lighthouse",
    "duplexweb-google",
    "facebookexternal",
    "feedfetcher-google",
    "google favicon",
    "google web preview",
    "google-read-aloud",
    "googlebot",
    "googleweblight",
    "mediapartners-google",
    "petalbot",
    "pinterest",
    "screaming frog",
    "storebot-google",
    "yahoo! slurp",
    "yandex",
];

/// The first rule that is met names the browser; the order matters, since browsers pretend to be
/// each other. With each name, what its version follows.
const BROWSERS: &[(&str, &[&str], &[&str])] = &[
    ("Internet Explorer Mobile", &["IEMobile", "WPDesktop"], &["rv:"]),
    ("Samsung Internet", &["SamsungBrowser/"], &["SamsungBrowser/"]),
    ("Microsoft Edge", &["Edge", "Edg/"], &["Edge/", "Edg/"]),
    ("Facebook Mobile", &["FBIOS"], &[]),
    ("Whale Browser", &["Whale/"], &["Whale/"]),
    ("Chrome", &["Chrome"], &["Chrome/"]),
    ("Chrome iOS", &["CriOS"], &["CriOS/"]),
    ("UC Browser", &["UCWEB", "UCBrowser"], &["UCBrowser/", "UCWEB/"]),
    ("Firefox iOS", &["FxiOS"], &["FxiOS/"]),
];
const OTHER_BROWSERS: &[(&str, &[&str], &[&str])] = &[
    // mixpanel-js's rule for the version wants lower case, which no such browser has.
    ("Android Mobile", &["Android"], &[]),
    ("Konqueror", &["Konqueror"], &["Konqueror:"]),
    ("Firefox", &["Firefox"], &["Firefox/"]),
    ("Internet Explorer", &["MSIE", "Trident/"], &["rv:", "MSIE "]),
    ("Mozilla", &["Gecko"], &["rv:"]),
];
const BLACKBERRY: [&str; 3] = ["blackberry", "playbook", "bb10"];

/// Whether mixpanel-js would send no event from there.
pub(super) fn is_bot(user_agent: &str) -> bool {
    let lower = user_agent.to_ascii_lowercase();
    BOTS.iter().any(|bot| lower.contains(bot))
}

/// `$os`, `$browser`, `$browser_version`: what goes with an event and with a profile.
pub(super) fn describe(user_agent: &str) -> Properties {
    let (browser, version) = browser(user_agent);
    let mut properties = Properties::new();
    for (name, value) in [("$os", os(user_agent)), ("$browser", browser)] {
        if !value.is_empty() {
            properties.insert(name.into(), Value::from(value));
        }
    }
    properties.insert("$browser_version".into(), version.map_or(Value::Null, Value::Number));
    properties
}

/// `$device`; empty for a desktop's.
pub(super) fn device(user_agent: &str) -> &'static str {
    let lower = user_agent.to_ascii_lowercase();
    let has = |part: &str| user_agent.contains(part);
    if lower.contains("windows phone") || has("WPDesktop") {
        "Windows Phone"
    } else if has("iPad") {
        "iPad"
    } else if has("iPod") {
        "iPod Touch"
    } else if has("iPhone") {
        "iPhone"
    } else if is_blackberry(&lower) {
        "BlackBerry"
    } else if has("Android") {
        "Android"
    } else {
        ""
    }
}

fn os(user_agent: &str) -> &'static str {
    let lower = user_agent.to_ascii_lowercase();
    let has = |part: &str| user_agent.contains(part);
    if lower.contains("windows") {
        if has("Phone") || has("WPDesktop") { "Windows Phone" } else { "Windows" }
    } else if has("iPhone") || has("iPad") || has("iPod") {
        "iOS"
    } else if has("Android") {
        "Android"
    } else if is_blackberry(&lower) {
        "BlackBerry"
    } else if lower.contains("mac") {
        "Mac OS X"
    } else if has("Linux") {
        "Linux"
    } else if has("CrOS") {
        "Chrome OS"
    } else {
        ""
    }
}

fn browser(user_agent: &str) -> (&'static str, Option<Number>) {
    let has = |part: &&str| user_agent.contains(*part);
    let version = |before: &[&str]| version(user_agent, before);
    if has(&" OPR/") {
        return if has(&"Mini") { ("Opera Mini", None) } else { ("Opera", version(&["OPR/", "Opera/"])) };
    }
    if is_blackberry(&user_agent.to_ascii_lowercase()) {
        return ("BlackBerry", version(&["BlackBerry "]));
    }
    let first = |rules: &[(&'static str, &[&str], &[&str])]| {
        rules.iter().find(|(_, marks, _)| marks.iter().any(has)).map(|(name, _, before)| (*name, version(before)))
    };
    if let Some(found) = first(BROWSERS) {
        return found;
    }
    if is_apple(user_agent) {
        let name = if has(&"Mobile") { "Mobile Safari" } else { "Safari" };
        return (name, version(&["Version/"]));
    }
    first(OTHER_BROWSERS).unwrap_or(("", None))
}

/// mixpanel-js asks the browser for its vendor. A server sees only this: WebKit on a device of
/// Apple's.
fn is_apple(user_agent: &str) -> bool {
    user_agent.contains("AppleWebKit")
        && ["Macintosh", "iPhone", "iPad", "iPod"].iter().any(|device| user_agent.contains(device))
}

fn is_blackberry(lower: &str) -> bool {
    BLACKBERRY.iter().any(|mark| lower.contains(mark))
}

/// Major and minor version as one number, where digits follow one of those, the first that comes.
fn version(user_agent: &str, before: &[&str]) -> Option<Number> {
    let found = before.iter().flat_map(|mark| user_agent.match_indices(mark)).filter_map(|(at, mark)| {
        let rest = user_agent.get(at + mark.len()..)?;
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let major = digits(rest);
        let minor = rest.get(major..)?.strip_prefix('.').map_or(0, digits);
        let end = if minor == 0 { major } else { major + 1 + minor };
        (major > 0).then(|| (at, &rest[..end]))
    });
    let (_, text) = found.min_by_key(|(at, _)| *at)?;
    match text.parse::<u64>() {
        Ok(whole) => Some(whole.into()),
        Err(_) => text.parse::<f64>().ok().and_then(whole_or_fraction),
    }
}

/// JavaScript writes 17.0 as 17.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole_or_fraction(version: f64) -> Option<Number> {
    if version.fract() == 0.0 && version < 1e15 { Some((version as u64).into()) } else { Number::from_f64(version) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(user_agent: &str) -> (Value, Value, Value) {
        let mut told = describe(user_agent);
        let mut take = |name: &str| told.remove(name).unwrap_or(json!(""));
        (take("$browser"), take("$browser_version"), take("$os"))
    }

    #[test]
    fn browsers_have_mixpanel_js_own_names() {
        let agents = [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
                "Chrome",
                json!(130),
                "Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36 Edg/129.5.1",
                "Microsoft Edge",
                json!(129.5),
                "Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.10 Mobile/15E148 Safari/604.1",
                "Mobile Safari",
                json!(17.1),
                "iOS",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
                "Safari",
                json!(17.6),
                "Mac OS X",
            ),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
                "Firefox",
                json!(130),
                "Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36 OPR/114.2.0.0",
                "Opera",
                json!(114.2),
                "Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung Internet",
                json!(25),
                "Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
                "Internet Explorer",
                json!(11),
                "Windows",
            ),
            ("curl/8.5.0", "", json!(null), ""),
        ];
        for (agent, browser, version, os) in agents {
            assert_eq!(told(agent), (json!(browser), version, json!(os)), "{agent}");
        }
    }

    #[test]
    fn devices_are_named_and_desktops_are_not() {
        assert_eq!(device("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X)"), "iPad");
        assert_eq!(device("Mozilla/5.0 (Linux; Android 14)"), "Android");
        assert_eq!(device("Mozilla/5.0 (X11; Linux x86_64)"), "");
    }

    #[test]
    fn spiders_are_known() {
        assert!(is_bot("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"));
        assert!(!is_bot("Mozilla/5.0 (X11; Linux x86_64)"));
    }
}

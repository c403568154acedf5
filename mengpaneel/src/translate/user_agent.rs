//! Parser of the `User-Agent` header. Names of browsers, systems and devices are those of
//! mixpanel-js, so that events of the server and of the browser have equal values in Mixpanel.

use serde_json::{Number, Value};

/// Properties that mixpanel-js derives from the header; `None` if it sets none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UserAgent {
    /// `$browser`
    pub(crate) browser: Option<&'static str>,
    /// `$browser_version`: a number, so that `17.10` is `17.1`.
    pub(crate) version: Option<Value>,
    /// `$os`
    pub(crate) os: Option<&'static str>,
    /// `$device`
    pub(crate) device: Option<&'static str>,
}

impl UserAgent {
    /// Parses the value of the header.
    pub(crate) fn parse(text: &str) -> Self {
        let browser = browser(text);
        Self {
            browser,
            version: browser.and_then(|browser| version(text, browser)),
            os: os(text),
            device: find(text, DEVICES),
        }
    }
}

/// Robots whose visits mixpanel-js does not track.
const ROBOTS: [&str; 24] = [
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

/// Returns whether mixpanel-js treats the browser as a robot and drops its events.
pub(crate) fn is_robot(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ROBOTS.iter().any(|robot| text.contains(robot))
}

/// Names, each with the texts by which it is found. A text in lower case matches any case.
type Table = [(&'static str, &'static [&'static str])];

/// Texts by which a `BlackBerry` is found.
const BLACKBERRY: &[&str] = &["blackberry", "playbook", "bb10"];

/// Browsers that are found before Apple's. The order is that of mixpanel-js, and matters.
const BROWSERS: &Table = &[
    ("Opera", &[" OPR/"]),
    ("BlackBerry", BLACKBERRY),
    ("Internet Explorer Mobile", &["IEMobile", "WPDesktop"]),
    ("Samsung Internet", &["SamsungBrowser/"]),
    ("Microsoft Edge", &["Edge", "Edg/"]),
    ("Facebook Mobile", &["FBIOS"]),
    ("Whale Browser", &["Whale/"]),
    ("Chrome", &["Chrome"]),
    ("Chrome iOS", &["CriOS"]),
    ("UC Browser", &["UCWEB", "UCBrowser"]),
    ("Firefox iOS", &["FxiOS"]),
];

/// Browsers that are found after Apple's.
const OTHER_BROWSERS: &Table = &[
    ("Android Mobile", &["Android"]),
    ("Konqueror", &["Konqueror"]),
    ("Firefox", &["Firefox"]),
    ("Internet Explorer", &["MSIE", "Trident/"]),
    ("Mozilla", &["Gecko"]),
];

const SYSTEMS: &Table = &[
    ("Windows", &["windows"]),
    ("iOS", &["iPhone", "iPad", "iPod"]),
    ("Android", &["Android"]),
    ("BlackBerry", BLACKBERRY),
    ("Mac OS X", &["mac"]),
    ("Linux", &["Linux"]),
    ("Chrome OS", &["CrOS"]),
];

const DEVICES: &Table = &[
    ("Windows Phone", &["windows phone", "WPDesktop"]),
    ("iPad", &["iPad"]),
    ("iPod Touch", &["iPod"]),
    ("iPhone", &["iPhone"]),
    ("BlackBerry", BLACKBERRY),
    ("Android", &["Android"]),
];

/// Returns the first name in a table that matches.
fn find(text: &str, table: &Table) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let has = |part: &&str| text.contains(*part) || lower.contains(*part);
    let (name, _) = table.iter().find(|(_, parts)| parts.iter().any(has))?;
    Some(name)
}

fn has_any(text: &str, parts: &[&str]) -> bool {
    parts.iter().any(|part| text.contains(part))
}

/// Returns whether the browser is Apple's.
///
/// mixpanel-js reads `navigator.vendor`, which no header contains. Apple's browsers have
/// `AppleWebKit`, and either `Version/` or the name of an Apple device. Old Android browsers have
/// `Version/` too, but also `Android`.
fn is_from_apple(text: &str) -> bool {
    text.contains("AppleWebKit")
        && !text.contains("Android")
        && (text.contains("Version/") || has_any(text, &["iPhone", "iPad", "iPod", "Macintosh"]))
}

fn browser(text: &str) -> Option<&'static str> {
    let name = if text.starts_with("Opera/") {
        "Opera"
    } else {
        find(text, BROWSERS)
            .or_else(|| is_from_apple(text).then_some("Safari"))
            .or_else(|| find(text, OTHER_BROWSERS))?
    };
    Some(match name {
        "Opera" if text.contains("Mini") => "Opera Mini",
        "Safari" if text.contains("Mobile") => "Mobile Safari",
        name => name,
    })
}

/// Returns the number after the first marker of the browser.
fn version(text: &str, browser: &str) -> Option<Value> {
    let markers: &[&str] = match browser {
        "Internet Explorer Mobile" | "Mozilla" => &["rv:"],
        "Microsoft Edge" => &["Edge/", "Edg/"],
        "Chrome" => &["Chrome/"],
        "Chrome iOS" => &["CriOS/"],
        "UC Browser" => &["UCBrowser/", "UCWEB/"],
        "Safari" | "Mobile Safari" => &["Version/"],
        "Opera" => &["Opera/", "OPR/"],
        "Firefox" => &["Firefox/"],
        "Firefox iOS" => &["FxiOS/"],
        "Konqueror" => &["Konqueror:"],
        "BlackBerry" => &["BlackBerry "],
        "Android Mobile" => &["android "],
        "Samsung Internet" => &["SamsungBrowser/"],
        "Internet Explorer" => &["rv:", "MSIE "],
        "Whale Browser" => &["Whale/"],
        _ => &[],
    };
    markers
        .iter()
        .flat_map(|marker| text.match_indices(marker))
        .filter_map(|(at, marker)| Some((at, leading_number(text.get(at + marker.len()..)?)?)))
        .min_by_key(|(at, _)| *at)
        .map(|(_, number)| number)
}

/// Parses `major.minor` as the number that JavaScript would print: `120.0` is `120`.
fn leading_number(text: &str) -> Option<Value> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let major = text.get(..digits(text)).filter(|major| !major.is_empty())?;
    let minor = text
        .get(major.len()..)
        .and_then(|rest| rest.strip_prefix('.'))
        .map_or("", |rest| rest.get(..digits(rest)).unwrap_or_default())
        .trim_end_matches('0');
    if minor.is_empty() {
        return major.parse::<u64>().ok().map(Value::from);
    }
    let number = format!("{major}.{minor}").parse().ok()?;
    Number::from_f64(number).map(Value::Number)
}

fn os(text: &str) -> Option<&'static str> {
    match find(text, SYSTEMS)? {
        "Windows" if has_any(text, &["Phone", "WPDesktop"]) => Some("Windows Phone"),
        name => Some(name),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// `translate/parity.rs` compares the browsers with mixpanel-js.
    #[test]
    fn versions_are_numbers_as_javascript_prints_them() {
        for (text, browser, version) in [
            ("Chrome/120.0.0.0", Some("Chrome"), json!(120)),
            ("Chrome/17.10", Some("Chrome"), json!(17.1)),
            ("Chrome/17.05", Some("Chrome"), json!(17.05)),
            ("Chrome/17.", Some("Chrome"), json!(17)),
            ("Chrome/x Chrome/3.2", Some("Chrome"), json!(3.2)),
            ("Chrome/99999999999999999999", Some("Chrome"), json!(null)),
            (
                "Opera/9.80 (Windows) Presto/2.12",
                Some("Opera"),
                json!(9.8),
            ),
            (
                "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1)",
                Some("Opera Mini"),
                json!(null),
            ),
            ("curl/8.5.0", None, json!(null)),
            ("", None, json!(null)),
        ] {
            let agent = UserAgent::parse(text);
            assert_eq!(agent.browser, browser, "{text}");
            assert_eq!(agent.version.unwrap_or_default(), version, "{text}");
        }
    }

    #[test]
    fn robots_are_recognised_in_any_case() {
        assert!(is_robot(
            "Mozilla/5.0 (compatible; GoogleBot/2.1; +http://www.google.com/bot.html)"
        ));
        assert!(!is_robot("curl/8.5.0"));
    }

    proptest! {
        #[test]
        fn parsing_any_text_never_panics(text in "(Version/|Chrome/|rv:|MSIE |[0-9.]{0,400}|\\PC){0,12}") {
            let _ = UserAgent::parse(&text);
        }
    }
}

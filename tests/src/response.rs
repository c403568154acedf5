//! HTTP response, and the calls it carries.

use mengpaneel::{Call, Method};
use serde_json::Value;

/// Response with its whole body.
#[derive(Clone, Debug)]
pub struct TestResponse {
    /// Status code.
    pub status: u16,
    /// Headers in order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, decoded as text.
    pub body: String,
}

impl TestResponse {
    /// Returns the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the target of a redirect.
    ///
    /// # Panics
    /// If the response has no `Location`.
    #[must_use]
    pub fn location(&self) -> &str {
        self.header("location")
            .unwrap_or_else(|| panic!("no redirect: {self:?}"))
    }

    /// Returns the calls in order: those of the header for scripts, otherwise those in the page.
    ///
    /// # Panics
    /// If the header is not ASCII or not JSON.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        match self.header("x-mengpaneel-calls") {
            Some(header) => {
                assert!(header.is_ascii(), "a header that is not ASCII: {header}");
                serde_json::from_str(header).unwrap_or_else(|error| panic!("{error}: {header}"))
            }
            None => self.body.lines().filter_map(parse_call).collect(),
        }
    }

    /// Returns the calls in short form; see [`summarize`].
    #[must_use]
    pub fn call_summary(&self) -> Vec<String> {
        summarize(&self.calls())
    }

    /// Returns a property of the first event of this name.
    #[must_use]
    pub fn property(&self, event: &str, name: &str) -> Option<Value> {
        let calls = self.calls();
        let call = calls
            .iter()
            .find(|call| call.method() == &Method::Track && call.str_arg(0) == Some(event))?;
        call.properties()?.get(name).cloned()
    }

    /// Parses the body as JSON.
    ///
    /// # Panics
    /// If the body is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Parses one line of a page's script, such as `this.people.set({"Plan":"Pro"});`.
fn parse_call(line: &str) -> Option<Call> {
    let (path, args) = line
        .trim()
        .strip_prefix("this.")?
        .strip_suffix(");")?
        .split_once('(')?;
    if path == "get_group" {
        let (group, rest) = args.split_once(").")?;
        let (method, args) = rest.split_once('(')?;
        let args = serde_json::from_str::<Vec<Value>>(&format!("[{group},{args}]")).ok()?;
        return Some(Call::new(
            Method::from_path(&["get_group", method])?,
            without_trailing_nulls(args),
        ));
    }
    let path: Vec<&str> = path.split('.').collect();
    Some(Call::new(
        Method::from_path(&path)?,
        serde_json::from_str(&format!("[{args}]")).ok()?,
    ))
}

fn without_trailing_nulls(mut args: Vec<Value>) -> Vec<Value> {
    while args.last().is_some_and(Value::is_null) {
        args.pop();
    }
    args
}

/// Returns method and first argument of each call: `alias 1`, `track Sign Up`, `people.set`.
#[must_use]
pub fn summarize(calls: &[Call]) -> Vec<String> {
    calls
        .iter()
        .map(|call| match call.str_arg(0) {
            Some(first) => format!("{} {first}", call.method()),
            None => call.method().to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parse_call_reads_lines_of_a_page() {
        let group =
            parse_call("this.get_group(\"company\",\"acme\").set({\"Plan\":\"Pro\"});").unwrap();
        assert_eq!(
            group.args(),
            [json!("company"), json!("acme"), json!({"Plan": "Pro"})]
        );
        let people = parse_call("this.people.set({\"Plan\":\"Pro\"});").unwrap();
        assert_eq!(
            people,
            Call::new(Method::PeopleSet, vec![json!({"Plan": "Pro"})])
        );
        assert_eq!(parse_call("mixpanel.init(\"t\");"), None);
    }
}

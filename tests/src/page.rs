//! An answer, and the calls in it.

use mengpaneel::{Call, Method};
use serde_json::Value;

/// An answer of the blog's.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Page {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Where it redirects to.
    ///
    /// # Panics
    /// Where it does not.
    #[must_use]
    pub fn location(&self) -> &str {
        self.header("location")
            .unwrap_or_else(|| panic!("no redirect: {self:?}"))
    }

    /// The calls that the page runs, or the script that asked for it; in their order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        match self.header("x-mengpaneel-calls") {
            Some(header) => {
                assert!(header.is_ascii(), "a header that is not ASCII: {header}");
                serde_json::from_str(header).unwrap_or_else(|error| panic!("{error}: {header}"))
            }
            None => self.body.lines().filter_map(written).collect(),
        }
    }

    /// The calls as words; see [`said`].
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        said(&self.calls())
    }

    /// A property of the event of that name.
    #[must_use]
    pub fn property(&self, event: &str, name: &str) -> Option<Value> {
        let calls = self.calls();
        let call = calls
            .iter()
            .find(|call| call.method() == &Method::Track && call.str_arg(0) == Some(event))?;
        call.properties()?.get(name).cloned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A call as it stands in a page, one on a line: `this.people.set({"Plan":"Pro"});`.
fn written(line: &str) -> Option<Call> {
    let (called, args) = line
        .trim()
        .strip_prefix("this.")?
        .strip_suffix(");")?
        .split_once('(')?;
    if called == "get_group" {
        let (group, rest) = args.split_once(").")?;
        let (method, args) = rest.split_once('(')?;
        let args = serde_json::from_str::<Vec<Value>>(&format!("[{group},{args}]")).ok()?;
        return Some(Call::new(
            Method::from_path(&["get_group", method])?,
            without_trailing(args),
        ));
    }
    let path: Vec<&str> = called.split('.').collect();
    Some(Call::new(
        Method::from_path(&path)?,
        serde_json::from_str(&format!("[{args}]")).ok()?,
    ))
}

fn without_trailing(mut args: Vec<Value>) -> Vec<Value> {
    while args.last().is_some_and(Value::is_null) {
        args.pop();
    }
    args
}

/// Calls as words: `alias 1`, `track Sign Up`, `people.set`.
#[must_use]
pub fn said(calls: &[Call]) -> Vec<String> {
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
    fn calls_are_read_as_they_stand_in_a_page() {
        let group =
            written("this.get_group(\"company\",\"acme\").set({\"Plan\":\"Pro\"});").unwrap();
        assert_eq!(
            group.args(),
            [json!("company"), json!("acme"), json!({"Plan": "Pro"})]
        );
        let people = written("this.people.set({\"Plan\":\"Pro\"});").unwrap();
        assert_eq!(
            people,
            Call::new(Method::PeopleSet, vec![json!({"Plan": "Pro"})])
        );
        assert_eq!(written("mixpanel.init(\"t\");"), None);
    }
}

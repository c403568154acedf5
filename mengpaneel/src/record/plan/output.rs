//! Output of the plan: a text table, Markdown, JSON, and schemas for Mixpanel's Lexicon.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};

use crate::record::plan::{Annotation, Plan};

const HEADINGS: [&str; 6] = [
    "Call",
    "Properties",
    "Mode",
    "Route",
    "Function",
    "Location",
];

impl Plan {
    /// Returns the plan as a Markdown table.
    pub fn to_markdown(&self) -> String {
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = "| --- ".repeat(HEADINGS.len()) + "|\n";
        let rows = self
            .iter()
            .map(|annotation| row(&annotation.cells().map(|cell| cell.replace('|', "\\|"))));
        row(&HEADINGS.map(str::to_owned)) + &rule + &rows.collect::<String>()
    }

    /// Returns the plan as a JSON array of [annotations](Annotation).
    pub fn to_json(&self) -> Value {
        json!(self)
    }

    /// Returns the body of Mixpanel's `POST /api/app/projects/{id}/schemas`.
    ///
    /// Each event has one schema with the properties of all its annotations. Types are unknown and
    /// therefore omitted.
    pub fn to_lexicon(&self) -> Value {
        let mut events: BTreeMap<&str, (Map<String, Value>, Vec<&str>)> = BTreeMap::new();
        for annotation in self.iter() {
            let Some(event) = annotation
                .event
                .as_deref()
                .filter(|event| !event.starts_with('{'))
            else {
                continue;
            };
            let (properties, functions) = events.entry(event).or_default();
            let named = annotation
                .properties
                .iter()
                .filter(|name| !name.starts_with("..") && !name.starts_with('{'));
            properties.extend(named.map(|name| (name.clone(), json!({}))));
            if !functions.contains(&annotation.function.as_str()) {
                functions.push(&annotation.function);
            }
        }
        let entries: Vec<_> = events
            .into_iter()
            .map(|(name, (properties, functions))| {
                json!({
                    "entityType": "event",
                    "name": name,
                    "schemaJson": {
                        "$schema": "http://json-schema.org/draft-07/schema",
                        "description": format!("Tracked by {}", functions.join(", ")),
                        "additionalProperties": true,
                        "properties": properties,
                    },
                })
            })
            .collect();
        json!({"entries": entries, "truncate": false})
    }
}

impl Annotation {
    fn cells(&self) -> [String; 6] {
        let call = match &self.event {
            Some(event) => event.clone(),
            None => format!("{}(…)", self.call),
        };
        let mode = match self.mode {
            crate::call::Mode::BeforeSetup => "before_setup",
            crate::call::Mode::Setup => "setup",
            crate::call::Mode::Tracking => "tracking",
        };
        let mode = if self.via_server {
            format!("{mode}, via server")
        } else {
            mode.to_owned()
        };
        let routes: Vec<_> = self.routes.iter().map(ToString::to_string).collect();
        let location = format!("{}:{}", self.file, self.line);
        [
            call,
            self.properties.join(", "),
            mode,
            routes.join(", "),
            self.function.clone(),
            location,
        ]
    }
}

/// Formats a text table with aligned columns.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = std::iter::once(HEADINGS.map(str::to_owned))
            .chain(self.iter().map(Annotation::cells))
            .collect();
        let width = |column: usize| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: [usize; 6] = std::array::from_fn(width);
        for row in &rows {
            let cells: Vec<_> = row
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

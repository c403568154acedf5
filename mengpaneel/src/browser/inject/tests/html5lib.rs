//! Comparison with html5ever on the cases of html5lib-tests.

use std::path::Path;

use super::*;

/// Test case. Its data may contain any bytes.
struct Case {
    file: String,
    data: Vec<u8>,
}

impl Case {
    /// Returns whether the data contains a tag of a document anywhere. A parser may read such a tag
    /// as text, so that fewer cases are documents.
    fn is_document(&self) -> bool {
        let data = self.data.to_ascii_lowercase();
        ["<!doctype", "<html", "<head", "<body"].iter().any(|tag| {
            data.windows(tag.len())
                .any(|window| window == tag.as_bytes())
        })
    }

    fn is_frameset(&self) -> bool {
        tree(&self.data)
            .0
            .lines()
            .any(|line| line.trim_start() == "frameset ")
    }
}

/// Reads all cases that are pages, without those that are the content of an element.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/html5lib-tests");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "dat"));
    assert!(!files.is_empty());
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &Path) -> Vec<Case> {
    let bytes = std::fs::read(file).unwrap();
    let name = file.file_name().unwrap().to_string_lossy();
    let mut cases = Vec::new();
    let mut data: Option<Vec<u8>> = None;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match (line, &mut data) {
            (b"#data\n", _) => data = Some(Vec::new()),
            (b"#errors\n", Some(_)) => {
                let mut data = data.take().unwrap_or_default();
                data.pop();
                cases.push(Case {
                    file: name.clone().into_owned(),
                    data,
                });
            }
            (_, Some(data)) => data.extend_from_slice(line),
            (b"#document-fragment\n", None) => drop(cases.pop()),
            (_, None) => {}
        }
    }
    cases
}

#[test]
fn scanner_agrees_with_html5ever_on_all_cases() {
    let cases = cases();
    let (mut documents, mut injected, mut framesets) = (0, 0, 0);
    let (mut disagreements, mut declined) = (Vec::new(), Vec::new());
    for case in &cases {
        let result = compare(&case.data);
        if case.is_frameset() {
            framesets += 1;
        } else if case.is_document() {
            documents += 1;
            injected += usize::from(matches!(result, Ok(Some(_))));
            if let Ok(None) = result {
                declined.push(format!(
                    "{}: {:?}",
                    case.file,
                    String::from_utf8_lossy(&case.data)
                ));
            }
        }
        disagreements.extend(result.err().map(|error| format!("{}: {error}", case.file)));
    }
    println!(
        "{} cases, {framesets} of them framesets, {documents} documents, {injected} injected, {} disagreements",
        cases.len(),
        disagreements.len(),
    );
    println!("declined:\n{}", declined.join("\n"));
    assert!(cases.len() > 1000, "{} cases", cases.len());
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n\n"));
    assert!(
        injected * 100 >= documents * 95,
        "{injected} of {documents}:\n{}",
        declined.join("\n")
    );
}

/// The network may split a page at any byte.
#[test]
fn all_cases_may_be_split_anywhere() {
    for Case { file, data } in cases() {
        let mut whole = Scanner::default();
        whole.feed(&data);
        let expected = whole.finish();
        for split in 1..data.len() {
            let (first, second) = data.split_at(split);
            let mut scanner = Scanner::default();
            scanner.feed(first);
            scanner.feed(second);
            let actual = scanner.finish();
            assert_eq!(
                actual,
                expected,
                "{file}, split at {split}: {:?}",
                String::from_utf8_lossy(&data)
            );
            assert_eq!(
                scanner.is_in_body_content(),
                whole.is_in_body_content(),
                "{file}, split at {split}"
            );
        }
    }
}

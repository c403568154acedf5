//! The cases of html5lib-tests, with html5ever as the judge.

use std::path::Path;

use super::*;

/// What a case is, as a text that may hold any bytes.
struct Case {
    file: String,
    data: Vec<u8>,
}

impl Case {
    /// Whether it says of itself that it is a document, anywhere: more than are documents to a
    /// parser, which may read that as text.
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

/// Every case that is a page, not the content of an element.
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
fn no_case_of_html5lib_is_disagreed_on() {
    let cases = cases();
    let (mut documents, mut injected, mut framesets) = (0, 0, 0);
    let (mut wrong, mut declined) = (Vec::new(), Vec::new());
    for case in &cases {
        let verdict = judge(&case.data);
        if case.is_frameset() {
            framesets += 1;
        } else if case.is_document() {
            documents += 1;
            injected += usize::from(matches!(verdict, Ok(Some(_))));
            if let Ok(None) = verdict {
                declined.push(format!(
                    "{}: {:?}",
                    case.file,
                    String::from_utf8_lossy(&case.data)
                ));
            }
        }
        wrong.extend(verdict.err().map(|why| format!("{}: {why}", case.file)));
    }
    println!(
        "{} cases, {framesets} of them framesets, {documents} documents, {injected} injected, {} disagreements",
        cases.len(),
        wrong.len(),
    );
    println!("declined:\n{}", declined.join("\n"));
    assert!(cases.len() > 1000, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(
        injected * 100 >= documents * 95,
        "{injected} of {documents}:\n{}",
        declined.join("\n")
    );
}

/// Nor does it matter to a case where the network cuts it.
#[test]
fn every_case_of_html5lib_may_be_cut_anywhere() {
    for Case { file, data } in cases() {
        let mut whole = Scanner::default();
        whole.feed(&data);
        let expected = whole.finish();
        for cut in 1..data.len() {
            let (first, second) = data.split_at(cut);
            let mut scanner = Scanner::default();
            scanner.feed(first);
            scanner.feed(second);
            let found = scanner.finish();
            assert_eq!(
                found,
                expected,
                "{file}, cut at {cut}: {:?}",
                String::from_utf8_lossy(&data)
            );
            assert_eq!(
                scanner.in_body_content(),
                whole.in_body_content(),
                "{file}, cut at {cut}"
            );
        }
    }
}

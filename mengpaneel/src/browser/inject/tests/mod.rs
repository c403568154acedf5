//! Comparison with the trees of html5ever: the snippet is an element of the head, and the rest of
//! the tree does not change.

use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::{Handle, NodeData, RcDom};

use super::*;

mod html5lib;
mod random;

const SNIPPET: &str = "<script id=mp></script>";

fn parse(html: &[u8]) -> RcDom {
    html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default())
        .from_utf8()
        .one(html)
}

/// Appends one line per node. The snippet is omitted: `parents` receives the name of its parent.
fn outline(node: &Handle, depth: usize, out: &mut Vec<String>, parents: &mut Vec<String>) {
    let mut children = Vec::new();
    children.extend(node.children.borrow().iter().cloned());
    let name = match &node.data {
        NodeData::Document => String::from("#document"),
        NodeData::Doctype { name, .. } => format!("<!{name}>"),
        NodeData::Text { contents } => format!("{:?}", contents.borrow()),
        NodeData::Comment { contents } => format!("<!--{contents}-->"),
        NodeData::ProcessingInstruction { target, .. } => format!("<?{target}>"),
        NodeData::Element {
            name,
            attrs,
            template_contents,
            ..
        } => {
            if let Some(contents) = template_contents.borrow().as_ref() {
                children.push(contents.clone());
            }
            let mut attrs: Vec<String> = attrs
                .borrow()
                .iter()
                .map(|attr| format!("{}={}", attr.name.local, attr.value))
                .collect();
            attrs.sort();
            format!("{} {}", name.local, attrs.join(" "))
        }
    };
    out.push(format!("{}{name}", "  ".repeat(depth)));
    let mut text = None;
    for child in children {
        if is_snippet(&child) {
            parents.push(name.clone());
            continue;
        }
        // Without the snippet, text on both sides of it is one text.
        if let (NodeData::Text { contents }, Some(before)) = (&child.data, text.take()) {
            let joined = format!("{before}{}", contents.borrow());
            out.pop();
            out.push(format!("{}{joined:?}", "  ".repeat(depth + 1)));
            text = Some(joined);
            continue;
        }
        if let NodeData::Text { contents } = &child.data {
            text = Some(contents.borrow().to_string());
        }
        outline(&child, depth + 1, out, parents);
    }
}

fn is_snippet(node: &Handle) -> bool {
    let NodeData::Element { name, attrs, .. } = &node.data else {
        return false;
    };
    &*name.ns == "http://www.w3.org/1999/xhtml"
        && &*name.local == "script"
        && attrs.borrow().iter().any(|attr| &*attr.value == "mp")
}

/// Returns the outline of a page, and the names of the parents of snippets in it.
fn tree(html: &[u8]) -> (String, Vec<String>) {
    let (mut out, mut parents) = (Vec::new(), Vec::new());
    outline(&parse(html).document, 0, &mut out, &mut parents);
    (out.join("\n"), parents)
}

fn with_snippet(html: &[u8], offset: usize) -> Bytes {
    insert(
        &Bytes::copy_from_slice(html),
        offset,
        [SNIPPET.into(), Bytes::new()],
    )
    .join()
}

/// Compares the insertion point with html5ever's tree, and the end of the page if it is content.
/// Returns the insertion point, or a description of the disagreement.
fn compare(html: &[u8]) -> Result<Option<usize>, String> {
    let page = String::from_utf8_lossy(html);
    let mut scanner = Scanner::default();
    scanner.feed(html);
    let at = match scanner.finish() {
        HeadEnd::EndsAt(at) => Some(at),
        HeadEnd::Open | HeadEnd::Fragment | HeadEnd::Amp => None,
    };
    if head_end(html) != at {
        return Err(format!(
            "in chunks {at:?}, at once {:?}: {page}",
            head_end(html)
        ));
    }
    let Some(at) = at else { return Ok(None) };
    let (before, _) = tree(html);
    let (after, parents) = tree(&with_snippet(html, at));
    if !matches!(&*parents, [parent] if parent.starts_with("head ")) || after != before {
        return Err(format!(
            "at {at} in {page}: the parents are {parents:?} in {after}\ninstead of {before}"
        ));
    }
    if scanner.is_in_body_content() {
        let (after, parents) = tree(&with_snippet(html, html.len()));
        if parents.len() != 1 || after != before {
            return Err(format!(
                "at the end of {page}: the parents are {parents:?} in {after}\ninstead of {before}"
            ));
        }
    }
    Ok(Some(at))
}

fn checked_insertion_point(html: &[u8]) -> Option<usize> {
    compare(html).unwrap_or_else(|error| panic!("{error}"))
}

/// Asserts that the insertion point is at the `¦`.
fn assert_insertion_point(marked: &str) {
    let html = marked.replace('¦', "");
    assert_eq!(
        checked_insertion_point(html.as_bytes()),
        marked.find('¦'),
        "in {html}"
    );
}

#[test]
fn head_ends_at_its_closing_tag() {
    for marked in [
        "<!DOCTYPE html><html><head><title>Hi</title>¦</head><body>Hello</body></html>",
        "<!doctype html><html lang=en><HEAD\n><meta charset=utf-8>\n ¦</HEAD ><body>",
        "\u{feff}<!doctype html><head>¦</head>",
        "<head a='</head>' b=\"</head>\" c=</head>¦</head>",
        "<html>¦</head><body>",
        "<head/>¦</head/ x>",
        "<head></p></title></template>¦</head>",
        "<head></>¦</head>",
        "<head><HEAD><html class=x>¦</head>",
    ] {
        assert_insertion_point(marked);
    }
}

#[test]
fn head_ends_without_a_closing_tag() {
    for marked in [
        "<!doctype html><title>Hi</title>\n¦<p>Hello",
        "<!doctype html>¦Hello",
        "<html>\n¦<body>",
        "<html><head><link rel=x>¦<body class=a>",
        "<html><head>&#32;&Tab;&#x0a ¦&amp;",
        "<html>&#32;¦&nbsp;",
        "<html>&#32¦a",
        "<html>&#x000000000000000000020;¦&#0;",
        "<html><head> ¦&NewLine<p>",
        "<html><head>¦< p>",
        "<html><head>¦<<p>",
        "<!doctype html><meta charset=utf-8>¦<frameset><frame></frameset>",
        "<head>¦</body>",
        "<head>¦</br>",
        "<head>¦</html>",
        "<head>¦<header>",
        "<!doctype html>¦<plaintext></head>",
        "<!doctype html>¦<svg><title></head>",
        "¦<body>",
        "<title>x</title>¦<body>",
    ] {
        assert_insertion_point(marked);
    }
}

#[test]
fn closing_tag_in_other_markup_ends_nothing() {
    for marked in [
        "<head><!-- </head> -->¦</head>",
        "<head><!--></head><!-- -->",
        "<head><!--></head> -->",
        "<head><!-->¦</head> -->",
        "<head><!--->¦</head> -->",
        "<head><!-- --!>¦</head> -->",
        "<head><!--!></head>-->¦</head>",
        "<head><!---!></head>-->¦</head>",
        "<head><!----!>¦</head>-->",
        "<head><!-- <!-- </head> -->¦</head> -->",
        "<head><!--<!-->¦</head>",
        "<head><!-x></head>",
        "<head><!-x>¦</head>",
        "<head><?php </head ?>¦</head>",
        "<head><![CDATA[ </head ]]>¦</head>",
        "<head></ </head>¦</head>",
        "<head><script>'</head>'</script>¦</head>",
        "<head><script><!-- '</head>' </script>¦</head>",
        "<head><script><!-- <script> </head> </script> </head> --></script>¦</head>",
        "<head><script><!-- <script> --></head></script>¦</head>",
        "<head><script><!--><script></head></script>¦</head>",
        "<head><script><!-- <scripty> </script>¦</head>",
        "<head><script><!-- <script </script> </head> </script>¦</head>",
        "<head><script><!-- <script/></script/></head></script\n>¦</head>",
        "<head><script></scriptx></head></script x='>'>¦</head>",
        "<head><script></script x=\"</head>\">¦</head>",
        "<head><style></head><!-- </style>¦</head> --></style>",
        "<head><title></head></titl></title>¦</head>",
        "<head><title></script></head></TITLE/>¦</head>",
        "<head><noscript></head><p></noscript>¦</head>",
        "<head><noframes></head></noframes>¦</head>",
        "<!DOCTYPE html PUBLIC \"</head\"><head>¦</head>",
        "<head><meta content='a>b</head>' name=\"</head>\">¦</head>",
        "<head><meta a= '</head>' b = \"</head>\"c='</head>'/>¦</head>",
        "<head><meta =</head>¦</head>",
        "<head><meta a=>¦</head>",
        "<head><meta a=\"'</head>\">¦</head>",
        "<head><template></head><p></template>¦</head>",
        "<head><template><template></head></template></head></template><link>¦</head>",
        "<head><template><script>a</script></head></template>¦</head>",
        "<head><template><svg><path/></svg></head></template>¦</head>",
    ] {
        if marked.contains('¦') {
            assert_insertion_point(marked);
        }
    }
}

#[test]
fn ambiguous_or_unclosed_markup_follows_the_snippet() {
    for marked in [
        "<head>¦<title>Hello</head>",
        "<head>¦<script><!--<script></script></head>",
        "<head>¦<style></head>",
        "<head>¦<!-- </head>",
        "<head>¦<meta name='</head>",
        "<head>¦<template></head><body>",
        "<head>¦<template><svg></template></head><body>",
        "<head>¦<template><svg><style></head></style></svg></template></head>",
        "<head>¦<template><select><svg></select></template></head>",
        "<head>¦<template><plaintext></template></head>",
        "<head><title></title> ¦",
        "<!doctype html>\n¦",
        "<head>¦<",
        "<head>¦</",
        "<head>¦&#3",
        "<head>&#32¦",
    ] {
        assert_insertion_point(marked);
    }
}

#[test]
fn fragment_has_no_insertion_point() {
    for html in [
        "",
        "Hello",
        "<p>Hello</p>",
        "<title>Hi</title>",
        "<!-- <html> --><p>",
        "<script>'<body>'</script>",
        "<div><html></div>",
        "\u{feff}{\"html\": \"<html>\"}",
        "<!doctype html",
        "<!doctype html><!-- unclosed",
        "<tr><td>1</td></tr>",
        "</head>",
    ] {
        assert_eq!(head_end(html.as_bytes()), None, "{html}");
    }
}

#[test]
fn snippet_is_appended_only_to_content() {
    let ends_in_content = |html: &str| {
        let mut scanner = Scanner::default();
        scanner.feed(html.as_bytes());
        checked_insertion_point(html.as_bytes());
        scanner.is_in_body_content()
    };
    for html in [
        "<body><p>Hello",
        "<body></body></html>\n",
        "<body><svg><title>A</title><path d=''/></svg><style>a{}</style>",
        "<body><svg/><table><tr>",
        "<body><script>a</script><select><option>a</select>",
        "<body><template><p></template>",
        "<body><iframe><!-- </iframe>",
        "<body>&am",
    ] {
        assert!(ends_in_content(html), "{html}");
    }
    for html in [
        "<p>Hello",
        "<head>",
        "<body><p",
        "<body><p title='",
        "<body><",
        "<body><!-- ",
        "<body><script>",
        "<body><textarea>",
        "<body><title>",
        "<body><noscript>",
        "<body><iframe>",
        "<body><xmp></xm>",
        "<body><svg>",
        "<body><math><mi>",
        "<body><template>",
        "<body><select>",
        "<body><plaintext>",
        "<body><svg><![CDATA[ > ]]></svg>",
        "<body><svg><style><a></style></svg>",
        "<body><svg><foreignObject></foreignObject></svg>",
        "<head></head><frameset>",
    ] {
        assert!(!ends_in_content(html), "{html}");
    }
}

#[test]
fn policies_of_meta_tags_are_found() {
    let mut scanner = Scanner::default();
    let at = scan(
        &mut scanner,
        b"<head><meta charset=utf-8><META HTTP-EQUIV='Content-Security-Policy' \
          content=\"script-src &#39;self&#39;\"><meta name=x content=y>\
          <!-- <meta http-equiv=Content-Security-Policy content=x> --></head>\
          <meta http-equiv=Content-Security-Policy content=z>",
    );
    assert!(at.is_some());
    assert_eq!(scanner.policies(), ["script-src 'self'"]);
}

#[test]
fn amp_document_has_no_insertion_point() {
    for attribute in [
        "amp",
        "AMP",
        "amp=\"\"",
        "lang=en amp",
        "⚡",
        "⚡️",
        "⚡4ads",
        "amp4ads",
        "amp4email",
        "⚡4email lang=en",
    ] {
        let page = format!("<!doctype html><html {attribute}><head><title>x</title></head><body>");
        let mut scanner = Scanner::default();
        assert_eq!(scan(&mut scanner, page.as_bytes()), None, "{attribute}");
        assert!(scanner.is_amp(), "{attribute}");
        let (mut in_pieces, mut head) = (Scanner::default(), HeadEnd::Open);
        for byte in page.bytes() {
            head = in_pieces.feed(&[byte]);
        }
        assert_eq!(head, HeadEnd::Amp, "{attribute}");
    }
    for attribute in [
        "",
        "lang=amp",
        "data-amp",
        "ampere",
        "amp5",
        "class=\"amp\"",
    ] {
        let page = format!("<!doctype html><html {attribute}><head><title>x</title></head><body>");
        assert!(head_end(page.as_bytes()).is_some(), "{attribute}");
    }
}

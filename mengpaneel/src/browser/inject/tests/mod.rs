//! What is right is what html5ever builds: our block is an element of the head, and the rest of the
//! tree is as it was.

use html5ever::tendril::TendrilSink;
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use proptest::prelude::*;

use super::*;

mod html5lib;

const BLOCK: &str = "<script id=mp></script>";

fn parse(html: &[u8]) -> RcDom {
    html5ever::parse_document(RcDom::default(), html5ever::ParseOpts::default())
        .from_utf8()
        .one(html)
}

/// One line a node; our own script is left out and counted, with its parent's name.
fn outline(node: &Handle, depth: usize, out: &mut Vec<String>, ours: &mut Vec<String>) {
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
        if is_ours(&child) {
            ours.push(name.clone());
            continue;
        }
        // Text on both sides of our script is one text without it.
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
        outline(&child, depth + 1, out, ours);
    }
}

fn is_ours(node: &Handle) -> bool {
    let NodeData::Element { name, attrs, .. } = &node.data else {
        return false;
    };
    &*name.ns == "http://www.w3.org/1999/xhtml"
        && &*name.local == "script"
        && attrs.borrow().iter().any(|attr| &*attr.value == "mp")
}

fn tree(html: &[u8]) -> (String, Vec<String>) {
    let (mut out, mut ours) = (Vec::new(), Vec::new());
    outline(&parse(html).document, 0, &mut out, &mut ours);
    (out.join("\n"), ours)
}

fn inserted(html: &[u8], at: usize) -> Bytes {
    insert(
        &Bytes::copy_from_slice(html),
        at,
        [BLOCK.into(), Bytes::new()],
    )
    .join()
}

/// Asks html5ever about the place that we found, and about the end, if we say that it is content.
/// `Err` says where it disagrees.
fn judge(html: &[u8]) -> Result<Option<usize>, String> {
    let shown = String::from_utf8_lossy(html);
    let mut scanner = Scanner::default();
    scanner.feed(html);
    let at = match scanner.finish() {
        HeadEnd::EndsAt(at) => Some(at),
        HeadEnd::Open | HeadEnd::Fragment | HeadEnd::Amp => None,
    };
    if head_end(html) != at {
        return Err(format!(
            "in pieces {at:?}, at once {:?}: {shown}",
            head_end(html)
        ));
    }
    let Some(at) = at else { return Ok(None) };
    let (before, _) = tree(html);
    let (after, ours) = tree(&inserted(html, at));
    if !matches!(&*ours, [parent] if parent.starts_with("head ")) || after != before {
        return Err(format!(
            "at {at} in {shown}, where it stands in {ours:?} of {after}\ninstead of {before}"
        ));
    }
    if scanner.in_body_content() {
        let (after, ours) = tree(&inserted(html, html.len()));
        if ours.len() != 1 || after != before {
            return Err(format!(
                "at the end of {shown}, where it stands in {ours:?} of {after}\ninstead of {before}"
            ));
        }
    }
    Ok(Some(at))
}

fn is_right(html: &[u8]) -> Option<usize> {
    judge(html).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// Where `¦` stands is where the block goes.
fn goes_to(marked: &str) {
    let html = marked.replace('¦', "");
    assert_eq!(is_right(html.as_bytes()), marked.find('¦'), "in {html}");
}

#[test]
fn the_block_stands_where_the_head_is_closed() {
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
        goes_to(marked);
    }
}

#[test]
fn the_block_stands_where_the_head_is_closed_unsaid() {
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
        goes_to(marked);
    }
}

#[test]
fn a_closing_tag_in_something_else_closes_nothing() {
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
            goes_to(marked);
        }
    }
}

#[test]
fn what_is_unclear_or_unclosed_is_left_behind_the_block() {
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
        goes_to(marked);
    }
}

#[test]
fn a_fragment_is_no_document() {
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
fn a_block_is_appended_to_content_only() {
    let ends_in_content = |html: &str| {
        let mut scanner = Scanner::default();
        scanner.feed(html.as_bytes());
        is_right(html.as_bytes());
        scanner.in_body_content()
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
fn the_policies_of_meta_tags_are_seen() {
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

/// Pieces of markup that have a meaning of their own.
const PIECES: [&str; 9] = [
    "<!doctype html>|<html>|<html a=b>|<head>|</head>|<body>|</body>|</html>|<title>",
    "</title>|<title>a</title>|<script>|</script>|<style>|</style>|<noscript>|</noscript>",
    "<template>|</template>|<textarea>|</textarea>|<!--|-->|--!>|<!-->|-|--|!|>|<|/|=|\"",
    "'| |\n|a|&|&#32;|&#32|&nbsp;|&Tab;|\0|<p>|</p>|</br>|<br>|<meta>|<meta a='|<link>",
    "<base>|<svg>|</svg>|<math>|<mi>|</mi>|</math>|<select>|</select>|<option>|<table>",
    "<tr>|<td>|</table>|<frameset>|<noframes>|</noframes>|<iframe>|</iframe>|<xmp>|</xmp>",
    "<plaintext>|<![CDATA[|]]>|<?x|</|<!|<!doctype|<col>|<colgroup>|<desc>|</desc>",
    "<foreignObject>|</foreignObject>|<input>|<svg/>|<script/>|<title/>|<a|<a b|<a b=",
    "<script|</script|</head|<body|é|\r|\x0c|<image>|<form>|<button>|<b>|<caption>",
];

/// The pieces, in any order.
fn soup() -> impl Strategy<Value = String> {
    let pieces = PIECES.iter().flat_map(|line| line.split('|'));
    let piece = prop::sample::select(pieces.collect::<Vec<_>>());
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_soup_of_tags_keeps_its_tree(html in soup(), start in prop::sample::select(vec![
        "", "<!doctype html>", "<html>", "<head>", "<head><script>", "<head><script><!--",
        "<head><template>", "<body>", "<body><svg>",
    ])) {
        is_right(format!("{start}{html}").as_bytes());
    }

    #[test]
    fn it_does_not_matter_how_a_page_is_cut(html in soup(), cut in 0usize..64) {
        let page = format!("<!doctype html>{html}");
        let (a, b) = page.as_bytes().split_at(cut.min(page.len()));
        let (mut whole, mut cut) = (Scanner::default(), Scanner::default());
        whole.feed(page.as_bytes());
        cut.feed(a);
        cut.feed(b);
        prop_assert_eq!(whole.in_body_content(), cut.in_body_content());
        prop_assert_eq!(whole.finish(), cut.finish());
    }

    #[test]
    fn any_bytes_are_read(html in prop::collection::vec(any::<u8>(), 0..64)) {
        head_end(&html);
    }
}

#[test]
fn amp_document_takes_no_script() {
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

//! Comparison with html5ever on random markup.

use proptest::prelude::*;

use super::*;

/// Pieces of markup with a special meaning.
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

/// Random sequence of chunks.
fn soup() -> impl Strategy<Value = String> {
    let chunks = PIECES.iter().flat_map(|line| line.split('|'));
    let chunk = prop::sample::select(chunks.collect::<Vec<_>>());
    prop::collection::vec(chunk, 0..14).prop_map(|chunks| chunks.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn snippet_changes_no_random_tree(html in soup(), start in prop::sample::select(vec![
        "", "<!doctype html>", "<html>", "<head>", "<head><script>", "<head><script><!--",
        "<head><template>", "<body>", "<body><svg>",
    ])) {
        checked_insertion_point(format!("{start}{html}").as_bytes());
    }

    #[test]
    fn page_may_be_split_anywhere(html in soup(), split in 0usize..64) {
        let page = format!("<!doctype html>{html}");
        let (a, b) = page.as_bytes().split_at(split.min(page.len()));
        let (mut whole, mut chunks) = (Scanner::default(), Scanner::default());
        whole.feed(page.as_bytes());
        chunks.feed(a);
        chunks.feed(b);
        prop_assert_eq!(whole.is_in_body_content(), chunks.is_in_body_content());
        prop_assert_eq!(whole.finish(), chunks.finish());
    }

    #[test]
    fn random_bytes_cause_no_panic(html in prop::collection::vec(any::<u8>(), 0..64)) {
        head_end(&html);
    }
}

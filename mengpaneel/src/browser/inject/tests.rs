use super::*;

/// Where `¦` stands is where the block goes.
fn goes_to(marked: &str) {
    let html = marked.replace('¦', "");
    assert_eq!(head_end(html.as_bytes()), marked.find('¦'), "in {html}");
}

#[test]
fn the_block_stands_where_the_head_is_closed() {
    goes_to("<!DOCTYPE html><html><head><title>Hi</title>¦</head><body>Hello</body></html>");
    goes_to("<!doctype html><title>Hi</title>\n¦<p>Hello");
}

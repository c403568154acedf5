//! Names in format strings: `{title}`, `{value:width$}`, `{:.precision$}`.

/// Calls `found` for each argument that a format string names, in order. Numbers are no names.
pub(super) fn names(text: &str, mut found: impl FnMut(&str)) {
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let after = &rest[open + 1..];
        if let Some(escaped) = after.strip_prefix('{') {
            rest = escaped;
            continue;
        }
        let Some(close) = after.find('}') else { return };
        let (argument, spec) = after[..close]
            .split_once(':')
            .unwrap_or((&after[..close], ""));
        name(argument.trim(), &mut found);
        counts(spec, &mut found);
        rest = &after[close + 1..];
    }
}

/// The widths and precisions that a format specification takes from arguments: `width$`.
fn counts(spec: &str, found: &mut impl FnMut(&str)) {
    let mut pieces = spec.split('$').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return;
        }
        let begin = piece
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |at| at + 1);
        let begin = if piece.is_char_boundary(begin) {
            begin
        } else {
            piece.len()
        };
        // The flag `0` may stand before the name.
        name(piece[begin..].trim_start_matches('0'), found);
    }
}

fn name(text: &str, found: &mut impl FnMut(&str)) {
    if text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        found(text);
    }
}

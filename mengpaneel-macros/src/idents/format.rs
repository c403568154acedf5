//! Names in format strings: `{title}`, `{value:width$}`, `{:.precision$}`.

/// Calls `on_name` for each argument that a format string names, in order.
///
/// Positional arguments (`{0}`) are skipped.
pub(super) fn for_each_name(format: &str, mut on_name: impl FnMut(&str)) {
    let mut rest = format;
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
        report_name(argument.trim(), &mut on_name);
        for_each_count(spec, &mut on_name);
        rest = &after[close + 1..];
    }
}

/// Calls `on_name` for each width and precision that an argument gives: `width$`.
fn for_each_count(spec: &str, on_name: &mut impl FnMut(&str)) {
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
        // The flag `0` may precede the name.
        report_name(piece[begin..].trim_start_matches('0'), on_name);
    }
}

fn report_name(argument: &str, on_name: &mut impl FnMut(&str)) {
    if argument.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        on_name(argument);
    }
}

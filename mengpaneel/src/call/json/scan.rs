//! Search for bytes in JSON, eight at once.

#![expect(
    clippy::inline_always,
    reason = "without it, each search is a call through a function pointer"
)]

/// Returns the position of the first marked byte at or after `at`, or the length of the text.
/// `marks` sets the sign bit of marked bytes in a word. It may mark a wrong byte only after a right
/// one.
#[inline(always)]
pub(super) fn find(text: &[u8], mut at: usize, marks: impl Fn(u64) -> u64) -> usize {
    let mut rest = text.get(at..).unwrap_or_default();
    while let Some((word, after)) = rest.split_first_chunk() {
        let found = marks(u64::from_le_bytes(*word)) & repeat(0x80);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        (rest, at) = (after, at + 8);
    }
    if rest.is_empty() {
        return text.len();
    }
    // The last word overlaps the one before it, whose bytes are shifted out.
    let word = match text.last_chunk() {
        Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
        None => rest
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let found = marks(word) & repeat(0x80);
    (at + (found.trailing_zeros() / 8) as usize).min(text.len())
}

/// Marks bytes that must be escaped in a JSON string.
#[inline(always)]
pub(super) fn marks_to_escape(word: u64) -> u64 {
    below(word, 0x20) | marks_in_string(word)
}

/// Marks quotes and backslashes.
#[inline(always)]
pub(super) fn marks_in_string(word: u64) -> u64 {
    is(word, b'"') | is(word, b'\\')
}

/// Marks the ends of a number or a literal. `]` and `}` differ in one bit.
#[inline(always)]
pub(super) fn marks_at_end(word: u64) -> u64 {
    is(word, b',') | is(word | repeat(0x20), b'}')
}

/// Marks quotes, brackets and braces, and some letters that JSON has only in strings.
#[inline(always)]
pub(super) fn marks_in_compound(word: u64) -> u64 {
    is(word, b'"') | is(word | repeat(0x26), 0x7f)
}

/// Marks characters that could end a script, and all that are not ASCII. `<` and `>` differ in one
/// bit.
#[inline(always)]
pub(super) fn marks_in_script(word: u64) -> u64 {
    is(word, b'&') | is(word | repeat(0x02), b'>') | word
}

/// Marks characters that a header must not contain.
#[inline(always)]
pub(super) fn marks_in_header(word: u64) -> u64 {
    below(word, b' ') | is(word, 0x7f) | word
}

#[inline(always)]
fn is(word: u64, byte: u8) -> u64 {
    below(word ^ repeat(byte), 1)
}

/// Marks ASCII bytes below `bound`.
#[inline(always)]
fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(repeat(bound)) & !word
}

/// Returns a word of eight equal bytes.
const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

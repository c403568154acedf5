//! Reader of the parts of an encoded envelope.

#![expect(
    clippy::inline_always,
    reason = "without it, reading each length is a call"
)]

/// Cursor in an encoding. All methods that read return `None` at the end, or if the encoding is
/// invalid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Creates a reader at the start of `encoded`.
    pub(crate) fn new(encoded: &'a [u8]) -> Self {
        Self(encoded)
    }

    /// Returns whether nothing remains.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the rest.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Reads a byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Reads `N` bytes.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// Reads a length.
    #[inline(always)]
    pub(crate) fn len(&mut self) -> Option<usize> {
        match self.byte()? {
            byte @ ..0x80 => Some(byte.into()),
            byte => self.long_len(byte),
        }
    }

    #[cold]
    fn long_len(&mut self, first: u8) -> Option<usize> {
        let (mut len, mut shift, mut byte) = (usize::from(first & 0x7f), 0, first);
        while byte & 0x80 != 0 {
            (byte, shift) = (self.byte()?, shift + 7);
            len |= usize::from(byte & 0x7f).checked_shl(shift)?;
        }
        Some(len)
    }

    /// Reads `len` bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Reads a length and that number of bytes.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    /// Reads a length and a text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Reads a length, and that number of items with `read`.
    pub(crate) fn many<T>(&mut self, read: fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let len = self.len()?;
        // A length from another source may have any size.
        let mut items = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            items.push(read(self)?);
        }
        Some(items)
    }
}

/// Writes a length: seven bits in each byte, and the eighth bit set in all but the last byte.
pub(crate) fn write_len(mut len: usize, to: &mut Vec<u8>) {
    loop {
        let [low, ..] = len.to_le_bytes();
        if len <= 0x7f {
            return to.push(low);
        }
        to.push(low | 0x80);
        len >>= 7;
    }
}

/// Writes bytes after their length.
pub(crate) fn write_bytes(bytes: &[u8], to: &mut Vec<u8>) {
    write_len(bytes.len(), to);
    to.extend_from_slice(bytes);
}

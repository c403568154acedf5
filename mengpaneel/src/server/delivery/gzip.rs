//! Bodies, compressed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::{Compress, CompressError, Compression, FlushCompress, Status};

/// From so many bytes on, what it took to compress a body is kept for the next: there is much.
const MUCH: usize = 100_000;

/// Compresses bodies, one after the other.
#[derive(Debug, Default)]
pub(super) struct Gzip(Mutex<Option<Kit>>);

/// What it takes to compress one: half a megabyte, and the body.
#[derive(Debug)]
struct Kit {
    plain: Vec<u8>,
    compress: Compress,
}

impl Gzip {
    /// The body that is written so, compressed.
    pub(super) fn of(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>, CompressError> {
        let mut kit = self.kept().take().unwrap_or_else(Kit::new);
        kit.plain.clear();
        write(&mut kit.plain);
        let body = kit.compress()?;
        if kit.plain.len() >= MUCH {
            *self.kept() = Some(kit);
        }
        Ok(body)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kit {
    fn new() -> Self {
        // The fastest level, and the window that every reader of gzip has.
        Self { plain: Vec::new(), compress: Compress::new_gzip(Compression::fast(), 15) }
    }

    fn compress(&mut self) -> Result<Vec<u8>, CompressError> {
        self.compress.reset();
        let (mut rest, mut body) = (&self.plain[..], Vec::with_capacity(self.plain.len() / 4 + 64));
        loop {
            let before = self.compress.total_in();
            let status = self.compress.compress_vec(rest, &mut body, FlushCompress::Finish)?;
            if status == Status::StreamEnd {
                return Ok(body);
            }
            let read = usize::try_from(self.compress.total_in() - before).unwrap_or(usize::MAX);
            rest = rest.get(read..).unwrap_or_default();
            body.reserve(rest.len() / 2 + 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn plain(compressed: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(compressed).read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn each_body_is_compressed_by_itself() {
        let gzip = Gzip::default();
        // What cannot be compressed needs more room than is given at first.
        let noise = (0..MUCH as u64).flat_map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes());
        let bodies = [noise.collect(), b"[]".repeat(MUCH), Vec::new(), b"[{}]".to_vec()];
        for body in [&bodies[..], &bodies[..]].concat() {
            let compressed = gzip.of(|to| to.extend_from_slice(&body)).unwrap();
            assert!(plain(&compressed) == body);
        }
        assert!(gzip.kept().is_none(), "the last was small");
    }
}

//! Bodies, compressed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::{Compress, CompressError, Compression, FlushCompress, Status};

/// From so many bytes on, what it took to compress a body is kept for the next: there is much.
const KEEP_ABOVE: usize = 100_000;

/// Compresses bodies, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Compressor(Mutex<Option<Compress>>);

impl Compressor {
    /// The body of these pieces, compressed.
    pub(crate) fn compress(&self, pieces: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, CompressError> {
        // The fastest level, and the window that every reader of gzip has.
        let new = || Compress::new_gzip(Compression::fast(), 15);
        let mut kit = self.kept().take().unwrap_or_else(new);
        kit.reset();
        let plain: usize = pieces.iter().map(|piece| piece.as_ref().len()).sum();
        let mut body = Vec::with_capacity(plain / 4 + 64);
        for piece in pieces {
            add(&mut kit, piece.as_ref(), FlushCompress::None, &mut body)?;
        }
        add(&mut kit, &[], FlushCompress::Finish, &mut body)?;
        if plain >= KEEP_ABOVE {
            *self.kept() = Some(kit);
        }
        Ok(body)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Compress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compresses a piece, to its end.
fn add(
    kit: &mut Compress,
    mut piece: &[u8],
    flush: FlushCompress,
    body: &mut Vec<u8>,
) -> Result<(), CompressError> {
    let is_last = matches!(flush, FlushCompress::Finish);
    loop {
        let before = kit.total_in();
        let status = kit.compress_vec(piece, body, flush)?;
        let read = usize::try_from(kit.total_in() - before).unwrap_or(usize::MAX);
        piece = piece.get(read..).unwrap_or_default();
        if status == Status::StreamEnd || (piece.is_empty() && !is_last) {
            return Ok(());
        }
        body.reserve(piece.len() / 2 + 64);
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
        let gzip = Compressor::default();
        // What cannot be compressed needs more room than is given at first.
        let noise = (0..KEEP_ABOVE as u64)
            .flat_map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_le_bytes());
        let bodies = [
            noise.collect(),
            b"[]".repeat(KEEP_ABOVE),
            Vec::new(),
            b"[{}]".to_vec(),
        ];
        for body in [&bodies[..], &bodies[..]].concat() {
            let (first, rest) = body.split_at(body.len().min(1));
            let compressed = gzip.compress(&[first, rest, b"]"]).unwrap();
            assert!(plain(&compressed) == [&body[..], b"]"].concat());
        }
        assert!(gzip.kept().is_none(), "the last was small");
    }
}

//! Gzip compression of request bodies.

use std::sync::{Mutex, MutexGuard, PoisonError};

use flate2::{Compress, CompressError, Compression, FlushCompress, Status};

/// Size in bytes from which the compressor of a body is kept for the next body.
const KEEP_ABOVE: usize = 100_000;

/// Gzip compressor that reuses its state after large bodies.
#[derive(Debug, Default)]
pub(crate) struct Compressor(Mutex<Option<Compress>>);

impl Compressor {
    /// Compresses a body that consists of these chunks.
    ///
    /// # Errors
    /// The error of the compressor.
    pub(crate) fn compress(&self, chunks: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, CompressError> {
        // The largest window, 2^15 bytes: every gzip decoder supports it.
        let new = || Compress::new_gzip(Compression::fast(), 15);
        let mut compress = self.lock().take().unwrap_or_else(new);
        compress.reset();
        let length: usize = chunks.iter().map(|chunk| chunk.as_ref().len()).sum();
        let mut body = Vec::with_capacity(length / 4 + 64);
        for chunk in chunks {
            append(
                &mut compress,
                chunk.as_ref(),
                FlushCompress::None,
                &mut body,
            )?;
        }
        append(&mut compress, &[], FlushCompress::Finish, &mut body)?;
        if length >= KEEP_ABOVE {
            *self.lock() = Some(compress);
        }
        Ok(body)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Compress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Appends a compressed chunk to the body.
fn append(
    compress: &mut Compress,
    mut chunk: &[u8],
    flush: FlushCompress,
    body: &mut Vec<u8>,
) -> Result<(), CompressError> {
    let is_last = matches!(flush, FlushCompress::Finish);
    loop {
        let before = compress.total_in();
        let status = compress.compress_vec(chunk, body, flush)?;
        let read = usize::try_from(compress.total_in() - before).unwrap_or(usize::MAX);
        chunk = chunk.get(read..).unwrap_or_default();
        if status == Status::StreamEnd || (chunk.is_empty() && !is_last) {
            return Ok(());
        }
        body.reserve(chunk.len() / 2 + 64);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn decompress(compressed: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        GzDecoder::new(compressed).read_to_end(&mut body).unwrap();
        body
    }

    #[test]
    fn each_body_is_a_complete_gzip_stream() {
        let gzip = Compressor::default();
        // Random data does not fit in the initial capacity.
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
            assert!(decompress(&compressed) == [&body[..], b"]"].concat());
        }
        assert!(gzip.lock().is_none(), "the last body was small");
    }
}

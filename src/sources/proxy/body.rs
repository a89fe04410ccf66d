//! Reads a response's body, up to a limit; decompresses gzip, up to the same limit.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;

/// Longest body, compressed and decompressed.
const MOST: usize = 16 * 1024 * 1024;

/// The decompressed body.
///
/// # Errors
/// It is too long, breaks off, or has a coding that was not asked for.
pub(super) async fn take(mut response: Response) -> Result<Bytes, String> {
    let coding = response.headers().get(CONTENT_ENCODING).map(|coding| coding.as_bytes().to_ascii_lowercase());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(super::client::cause)? {
        if body.len() + chunk.len() > MOST {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    match coding.as_deref() {
        None | Some(b"identity") => Ok(body.into()),
        Some(b"gzip" | b"x-gzip") => decompress(&body),
        Some(other) => Err(format!("has the coding {:?}; accepted: gzip", String::from_utf8_lossy(other))),
    }
}

fn decompress(compressed: &[u8]) -> Result<Bytes, String> {
    let mut body = Vec::new();
    // One byte more than allowed: more than that shows that it is too long.
    let most = u64::try_from(MOST).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(compressed).take(most).read_to_end(&mut body).map_err(|error| format!("is not gzip: {error}"))?;
    if body.len() > MOST { Err(too_long()) } else { Ok(body.into()) }
}

fn too_long() -> String {
    format!("is longer than {} MB", MOST / (1024 * 1024))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(bytes: usize) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = [0; 64 * 1024];
        for _ in 0..bytes / zeros.len() {
            encoder.write_all(&zeros).unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn a_gzip_bomb_is_rejected_and_a_large_body_is_not() {
        assert_eq!(decompress(&compressed(MOST)).unwrap().len(), MOST);
        let bomb = compressed(64 * MOST);
        assert!(bomb.len() < MOST && decompress(&bomb).unwrap_err().contains("16 MB"));
        assert!(decompress(b"hello").unwrap_err().contains("not gzip"));
    }
}

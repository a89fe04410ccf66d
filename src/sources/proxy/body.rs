//! Takes a body in, up to a limit; unpacks gzip, up to the same limit.

use std::io::Read;

use bytes::Bytes;
use flate2::read::GzDecoder;
use reqwest::Response;
use reqwest::header::CONTENT_ENCODING;

/// Longest body, packed and unpacked.
const MOST: usize = 16 * 1024 * 1024;

/// The body of an answer, unpacked.
///
/// # Errors
/// It is too long, breaks off, or is packed otherwise than was asked for.
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
        Some(b"gzip" | b"x-gzip") => unpack(&body),
        Some(other) => Err(format!("is packed as {:?}; accepted: gzip", String::from_utf8_lossy(other))),
    }
}

fn unpack(packed: &[u8]) -> Result<Bytes, String> {
    let mut body = Vec::new();
    // One byte more than may be, so that too much shows.
    let most = u64::try_from(MOST).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(packed).take(most).read_to_end(&mut body).map_err(|error| format!("is no gzip: {error}"))?;
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

    fn packed(bytes: usize) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = [0; 64 * 1024];
        for _ in 0..bytes / zeros.len() {
            encoder.write_all(&zeros).unwrap();
        }
        encoder.finish().unwrap()
    }

    #[test]
    fn a_bomb_is_refused_where_a_large_body_is_not() {
        assert_eq!(unpack(&packed(MOST)).unwrap().len(), MOST);
        let bomb = packed(64 * MOST);
        assert!(bomb.len() < MOST && unpack(&bomb).unwrap_err().contains("16 MB"));
        assert!(unpack(b"hello").unwrap_err().contains("no gzip"));
    }
}

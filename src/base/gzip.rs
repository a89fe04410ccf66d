//! Gzip of texts that are compressed once and sent or kept.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Compresses quickly rather than tightly: metrics text shrinks to a fifth either way.
pub(crate) fn compress(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(text.as_bytes());
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_reader_gets_back_what_was_compressed(text in ".{0,2000}") {
            let mut read = String::new();
            GzDecoder::new(&compress(&text)[..]).read_to_string(&mut read).unwrap();
            prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn repetitive_text_becomes_small() {
        assert!(compress(&"kdcube_proc_queue_total 1\n".repeat(500)).len() < 500);
    }
}

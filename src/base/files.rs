//! Reads small files that others write, up to a limit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longer than any certificate chain or list of tokens.
const LONGEST: u64 = 1024 * 1024;

/// The bytes of a regular file.
///
/// # Errors
/// Why it cannot be read, as a short phrase.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_up_to(path, LONGEST)
}

/// The bytes of a regular file of at most `longest` bytes.
///
/// # Errors
/// Why it cannot be read, as a short phrase.
pub(crate) fn read_up_to(path: &Path, longest: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("cannot be read: {error}");
    // Reading a pipe could block, and would find nothing the second time.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(longest + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > longest {
        return Err(format!("is longer than {longest} bytes"));
    }
    Ok(bytes)
}

/// Without the byte order mark that some editors put at the beginning of a text.
pub(crate) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)
}

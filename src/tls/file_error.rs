//! Errors of TLS files: each names the setting, the file and what is accepted, and never quotes contents.

use std::path::{Path, PathBuf};

/// Why TLS files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFileError {
    /// The file cannot be read, or holds something else than it should.
    #[error("{variable} {path:?}: {problem}; accepted: {accepted}")]
    Invalid { variable: &'static str, path: PathBuf, problem: String, accepted: &'static str },
    /// It holds what it should, which the TLS library rejects.
    #[error("{variable} {path:?}: what it holds cannot be used: {cause}")]
    Rejected { variable: &'static str, path: PathBuf, cause: String },
    /// A certificate and a key that are valid by themselves, and not of each other.
    #[error(
        "{key_variable} {key:?}: is not the key of the first certificate in {certificate_variable} {certificate:?}"
    )]
    OtherKey { key_variable: &'static str, key: PathBuf, certificate_variable: &'static str, certificate: PathBuf },
    /// Two files that cannot be used together.
    #[error("{} {:?} and {} {:?}: {problem}; accepted: {accepted}", files[0].0, files[0].1, files[1].0, files[1].1)]
    Pair { files: [(&'static str, PathBuf); 2], problem: String, accepted: &'static str },
    /// No file is at fault.
    #[error("no TLS client: {0}")]
    Client(String),
}

/// One line for each error.
pub(crate) fn lines(errors: Vec<TlsFileError>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// A setting that names a file, and what the file must hold.
#[derive(Clone, Copy)]
pub(super) struct FileSetting {
    pub(super) variable: &'static str,
    pub(super) accepted: &'static str,
}

impl FileSetting {
    pub(super) fn invalid(self, path: &Path, problem: String) -> TlsFileError {
        let Self { variable, accepted } = self;
        TlsFileError::Invalid { variable, path: path.to_owned(), problem, accepted }
    }

    pub(super) fn rejected(self, path: &Path, cause: impl ToString) -> TlsFileError {
        TlsFileError::Rejected { variable: self.variable, path: path.to_owned(), cause: cause.to_string() }
    }
}

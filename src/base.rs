//! Small tools that know nothing of the domain: time, retries, leases, files, numbers, log throttling.

pub(crate) mod backoff;
pub mod clock;
pub mod endpoint;
pub(crate) mod error_chain;
pub(crate) mod file_watch;
pub(crate) mod files;
pub(crate) mod gzip;
pub mod lease;
pub mod log_throttle;
pub(crate) mod number;
pub(crate) mod ordered;
pub(crate) mod own_thread;
pub(crate) mod percent;
pub(crate) mod text;

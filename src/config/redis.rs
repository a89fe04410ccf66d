//! Where Redis is and how long to wait for it.

use std::time::Duration;

use secrecy::SecretString;

/// How the source reaches Redis.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://`, `rediss://`, `unix:` or `redis+sentinel://`; may hold a password.
    pub url: SecretString,
    /// What `CLIENT LIST` shows.
    pub client_name: String,
    /// Limit of one command or pipeline, and of one connection attempt.
    pub timeout: Duration,
}

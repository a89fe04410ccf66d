//! Which deployments a Redis holds: a bounded search, where the one that is configured is not there.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use redis::{Pipeline, Value};
use tokio::time::Instant;

use super::{RedisSource, node};
use crate::sources::SourceError;

/// Every key of the platform begins with `{tenant}:{project}:kdcube:`.
const PATTERN: &str = "*:*:kdcube:*";
const SCAN_COUNT: u32 = 1000;
/// Bounds of the search beside its time: steps, and scopes that are listed.
const MOST_STEPS: usize = 200;
const MOST_SCOPES: usize = 10;

/// What the search found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FoundScopes {
    /// As `tenant/project`, without the one that is configured.
    scopes: BTreeSet<String>,
    /// Whether every key of the database was looked at.
    is_complete: bool,
    /// Databases that have keys, such as `db2`; empty where the user may not ask.
    databases: Vec<String>,
}

impl fmt::Display for FoundScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        match (scopes.as_slice(), self.is_complete) {
            ([], true) => f.write_str("this database holds no deployment")?,
            ([], false) => f.write_str("no deployment among the keys that were looked at")?,
            (scopes, true) => write!(f, "this database holds {}", scopes.join(", "))?,
            (scopes, false) => write!(f, "this database holds at least {}", scopes.join(", "))?,
        }
        if self.databases.is_empty() { Ok(()) } else { write!(f, "; keys are in {}", self.databases.join(", ")) }
    }
}

impl RedisSource {
    /// Looks for deployments among the keys of the database.
    ///
    /// # Errors
    /// Redis cannot be reached.
    pub(super) async fn scopes(&mut self, longest: Duration) -> Result<FoundScopes, SourceError> {
        let (began, mut found, mut cursor) = (Instant::now(), FoundScopes::default(), 0_u64);
        for _ in 0..MOST_STEPS {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(PATTERN).arg("COUNT").arg(SCAN_COUNT);
            // A user may lack the permission.
            let Some((next, keys)) = self.link.read(&pipeline).await?.pop().and_then(page) else { break };
            found.scopes.extend(keys.iter().filter_map(|key| scope(&String::from_utf8_lossy(key))));
            (cursor, found.is_complete) = (next, next == 0);
            if found.is_complete || found.scopes.len() >= MOST_SCOPES || began.elapsed() >= longest {
                break;
            }
        }
        // Its own lease and points are no trace of the deployment.
        found.scopes.remove(&self.scope);
        let mut info = Pipeline::new();
        info.cmd("INFO").arg("keyspace");
        let info = self.link.read(&info).await?.pop().and_then(node::text).unwrap_or_default();
        found.databases = info.lines().filter_map(database).collect();
        Ok(found)
    }
}

/// The next cursor and the keys of a step.
fn page(reply: Value) -> Option<(u64, Vec<Vec<u8>>)> {
    redis::from_redis_value(reply).ok()
}

fn scope(key: &str) -> Option<String> {
    let (scope, _) = key.split_once(":kdcube:")?;
    let (tenant, project) = scope.split_once(':')?;
    let plain = |text: &str| !text.is_empty() && text.len() <= 100 && !text.contains(char::is_control);
    (plain(tenant) && plain(project)).then(|| format!("{tenant}/{project}"))
}

/// The name in a line such as `db2:keys=14,expires=0`.
fn database(line: &str) -> Option<String> {
    let (name, _) = line.split_once(":keys=")?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_what_stands_before_the_platforms_part_of_a_key() {
        for (key, expected) in [
            ("acme:chat:kdcube:chat:prompt:queue:paid", Some("acme/chat")),
            ("acme:my:chat:kdcube:x", Some("acme/my:chat")),
            ("acme:kdcube:x", None),
            (":chat:kdcube:x", None),
            ("ac\nme:chat:kdcube:x", None),
            ("session:1", None),
        ] {
            assert_eq!(scope(key).as_deref(), expected, "{key:?}");
        }
    }

    #[test]
    fn the_text_says_how_far_the_search_went() {
        let found = |scopes: &[&str], is_complete, databases: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let scopes = owned(scopes).into_iter().collect();
            FoundScopes { scopes, is_complete, databases: owned(databases) }.to_string()
        };
        assert_eq!(found(&["a/b", "c/d"], true, &[]), "this database holds a/b, c/d");
        assert_eq!(found(&["a/b"], false, &["db0"]), "this database holds at least a/b; keys are in db0");
        assert_eq!(found(&[], true, &["db2"]), "this database holds no deployment; keys are in db2");
        assert_eq!(found(&[], false, &[]), "no deployment among the keys that were looked at");
        assert_eq!(database("db2:keys=14,expires=0,avg_ttl=0").as_deref(), Some("db2"));
        assert_eq!(database("# Keyspace"), None);
    }
}

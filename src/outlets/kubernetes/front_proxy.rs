//! Whose certificates the API server's front proxy has: authorities and names, as the cluster publishes them for extensions.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::cluster::Cluster;
use crate::base::clock::{Clock, SystemClock};
use crate::problems::code::code;
use crate::problems::{ProblemCode, ProblemRegistry};
use crate::tls::server;

/// Between two looks at the ConfigMap, which changes when the cluster's certificates are renewed …
const EVERY: Duration = Duration::from_secs(60);
/// … and until the next one where it cannot be read.
const RETRY: Duration = Duration::from_secs(5);

const FRONT_PROXY_UNKNOWN: ProblemCode = code("front_proxy_unknown");

/// Who the API server shows itself to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontProxy {
    /// Authorities in PEM.
    pub authorities: String,
    /// Common names that its certificate may have; none = any.
    pub names: Vec<String>,
}

impl FrontProxy {
    /// Reads the ConfigMap `extension-apiserver-authentication`.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn parse(config_map: &Value) -> Result<Self, String> {
        let field = |name: &str| {
            let text =
                config_map.get("data").and_then(|data| data.get(name)?.as_str()).filter(|text| !text.trim().is_empty());
            text.ok_or_else(|| {
                format!("extension-apiserver-authentication has no {name}: the cluster has no front proxy")
            })
        };
        let authorities = field("requestheader-client-ca-file")?.to_owned();
        let unusable =
            |problem| format!("requestheader-client-ca-file of extension-apiserver-authentication {problem}");
        server::client_verifier(authorities.as_bytes()).map_err(unusable)?;
        let names = serde_json::from_str(field("requestheader-allowed-names")?);
        let names = names
            .map_err(|_| "requestheader-allowed-names of extension-apiserver-authentication is no list of texts")?;
        Ok(Self { authorities, names })
    }
}

/// Publishes what the cluster says, and what it says from then on, until it is dropped. What was published stays where the
/// ConfigMap cannot be read.
pub async fn follow(
    cluster: Arc<Cluster>,
    published: watch::Sender<Option<FrontProxy>>,
    problems: Arc<ProblemRegistry>,
) {
    loop {
        let found = cluster.front_proxy().await;
        problems.set(FRONT_PROXY_UNKNOWN, "", found.as_ref().err().cloned(), SystemClock.now());
        let pause = if found.is_ok() { EVERY } else { RETRY };
        if let Ok(found) = found {
            published.send_if_modified(|known| known.replace(found.clone()).as_ref() != Some(&found));
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_cluster_does_not_publish_is_named() {
        for (data, expected) in [
            (json!({}), "has no requestheader-client-ca-file"),
            (json!({"requestheader-client-ca-file": "x"}), "holds no certificate"),
            (json!({"requestheader-client-ca-file": " \n"}), "has no requestheader-client-ca-file"),
            (json!({"requestheader-client-ca-file": pem()}), "has no requestheader-allowed-names"),
            (published("front"), "requestheader-allowed-names of extension-apiserver-authentication is no list"),
            (published("[1]"), "requestheader-allowed-names of extension-apiserver-authentication is no list"),
        ] {
            let error = FrontProxy::parse(&json!({"data": data})).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    fn pem() -> String {
        String::from_utf8(crate::tls::tests::authority()).unwrap()
    }

    /// What a cluster publishes, with these names.
    fn published(names: &str) -> Value {
        json!({"requestheader-client-ca-file": pem(), "requestheader-allowed-names": names})
    }

    #[test]
    fn names_are_those_that_the_cluster_publishes_and_none_are_any() {
        for (text, names) in [("[]", &[][..]), ("[\"front\", \"b\"]", &["front", "b"])] {
            let data = published(text);
            let found = FrontProxy::parse(&json!({"data": data})).unwrap();
            assert_eq!(found.names, names);
            assert_eq!(Some(found.authorities.as_str()), data["requestheader-client-ca-file"].as_str());
        }
    }
}

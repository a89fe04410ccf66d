//! The cluster's own API server, asked with the service account's token: whose certificates its front proxy has, and who may
//! read what.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;
use url::Url;

use super::front_proxy::FrontProxy;
use crate::base::{error_chain, files};
use crate::tls::client;
use crate::tls::file_error::TlsFileError;

/// Time limit of a request, below that of the requests which wait for one.
const LIMIT: Duration = Duration::from_secs(3);
/// Longest answer that is read: the ConfigMap holds a few certificates.
const LONGEST: usize = 1024 * 1024;

const CONFIG_MAP: &str = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/subjectaccessreviews";

/// Where the API server is, and the account to ask it with.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    pub server: Url,
    /// Holds `token` and `ca.crt`, as in every pod with a service account.
    pub account: PathBuf,
}

impl ClusterConfig {
    pub(super) fn token_file(&self) -> PathBuf {
        self.account.join("token")
    }
}

/// A client of it.
#[derive(Debug)]
pub struct Cluster {
    client: Client,
    config: ClusterConfig,
}

impl Cluster {
    /// # Errors
    /// `ca.crt` cannot be read or holds no certificates; `variable` names the setting of the folder.
    pub fn new(config: ClusterConfig, variable: &'static str) -> Result<Self, TlsFileError> {
        let builder = Client::builder()
            .user_agent(concat!("kdcube-metrics/", env!("CARGO_PKG_VERSION")))
            .timeout(LIMIT)
            // The token is for this server alone.
            .redirect(Policy::none())
            .no_proxy();
        let client = client::build_trusting(variable, Some(&config.account.join("ca.crt")), builder)?;
        Ok(Self { client, config })
    }

    /// Whose certificates the front proxy has, from the ConfigMap that every cluster publishes for its extensions.
    ///
    /// # Errors
    /// A sentence.
    pub async fn front_proxy(&self) -> Result<FrontProxy, String> {
        let rights = "the service account needs the role extension-apiserver-authentication-reader in kube-system";
        let request = |url| self.client.get(url);
        FrontProxy::parse(&self.ask(CONFIG_MAP, StatusCode::OK, rights, request).await?)
    }

    /// Whether a SubjectAccessReview allows it.
    ///
    /// # Errors
    /// A sentence: it is not known.
    pub(super) async fn allows(&self, review: &Value) -> Result<bool, String> {
        let rights = "the service account needs the cluster role system:auth-delegator";
        let body = review.to_string();
        let request = |url| self.client.post(url).header("content-type", "application/json").body(body);
        let answer = self.ask(REVIEWS, StatusCode::CREATED, rights, request).await?;
        answer
            .pointer("/status/allowed")
            .and_then(Value::as_bool)
            .ok_or_else(|| "a SubjectAccessReview came back without a result".to_owned())
    }

    /// The answer of a request that the server accepts with this status.
    async fn ask(
        &self,
        path: &str,
        expected: StatusCode,
        rights: &str,
        request: impl FnOnce(Url) -> RequestBuilder,
    ) -> Result<Value, String> {
        let (server, failed) =
            (&self.config.server, |cause: &str| format!("{path} of {}: {cause}", self.config.server));
        let url = server.join(path).map_err(|error| failed(&error.to_string()))?;
        // Read anew each time: the cluster replaces it within the hour.
        let token =
            files::read(&self.config.token_file()).map_err(|problem| failed(&format!("the token {problem}")))?;
        let request = request(url).bearer_auth(String::from_utf8_lossy(token.trim_ascii()));
        let response = request.send().await.map_err(|error| failed(&cause(error)))?;
        match response.status() {
            status if status == expected => read(response).await.map_err(|problem| failed(&problem)),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(failed(&format!("{}; {rights}", response.status())))
            }
            other => Err(failed(&format!("answers {other}"))),
        }
    }
}

async fn read(mut response: reqwest::Response) -> Result<Value, String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(cause)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err("the answer is too long".to_owned());
        }
    }
    serde_json::from_slice(&body).map_err(|_| "the answer is not JSON".to_owned())
}

fn cause(error: reqwest::Error) -> String {
    error_chain::innermost(&error.without_url()).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Body;
    use axum::http::{Request, Response};
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::outlets::fake_server::serve;
    use crate::tls::tests::authority;

    /// What a server was asked: method, path and `Authorization`.
    type Asked = Arc<Mutex<Vec<[String; 3]>>>;

    /// A client of an API server that answers everything like this, the account, and what it was asked.
    async fn cluster(status: u16, body: &str) -> (Cluster, TempDir, Asked) {
        let (account, asked, body) = (tempfile::tempdir().unwrap(), Asked::default(), body.to_owned());
        std::fs::write(account.path().join("token"), "first\n").unwrap();
        std::fs::write(account.path().join("ca.crt"), authority()).unwrap();
        let seen = Arc::clone(&asked);
        let answer = move |request: Request<Body>| async move {
            let token = request.headers().get("authorization").map(|token| token.to_str().unwrap().to_owned());
            let path = request.uri().path().to_owned();
            seen.lock().unwrap().push([request.method().to_string(), path, token.unwrap_or_default()]);
            let response = Response::builder().status(status).header("location", "/elsewhere");
            response.body(Body::from(body)).unwrap()
        };
        let server = format!("http://{}", serve(Router::new().fallback(answer)).await).parse().unwrap();
        let config = ClusterConfig { server, account: account.path().to_owned() };
        (Cluster::new(config, "A").unwrap(), account, asked)
    }

    #[tokio::test]
    async fn a_review_allows_by_its_result_and_without_one_nothing_is_known() {
        let answer = |allowed| json!({"status": {"allowed": allowed}}).to_string();
        for (status, body, expected) in [
            (201, answer(json!(true)), Ok(true)),
            (201, answer(json!(false)), Ok(false)),
            (201, answer(json!("true")), Err("without a result")),
            (201, "{}".to_owned(), Err("without a result")),
            (200, answer(json!(true)), Err("answers 200")),
            (403, answer(json!(true)), Err("needs the cluster role system:auth-delegator")),
            (401, String::new(), Err("needs the cluster role system:auth-delegator")),
            (307, String::new(), Err("answers 307")),
            (500, String::new(), Err("answers 500")),
            (201, "allowed".to_owned(), Err("is not JSON")),
        ] {
            let (cluster, _account, asked) = cluster(status, &body).await;
            let found = cluster.allows(&json!({})).await;
            match (found, expected) {
                (Err(found), Err(part)) => assert!(found.contains(part), "{part} in {found}"),
                (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{status} {body}"),
            }
            let once = [["POST", REVIEWS, "Bearer first"].map(str::to_owned)];
            assert_eq!(*asked.lock().unwrap(), once, "a redirect is not followed");
        }
    }

    #[tokio::test]
    async fn the_config_map_is_read_with_the_token_of_the_moment_and_its_errors_name_the_role() {
        let (cluster, account, asked) = cluster(403, "").await;
        let denied = cluster.front_proxy().await.unwrap_err();
        assert!(denied.contains("extension-apiserver-authentication-reader"), "{denied}");
        std::fs::write(account.path().join("token"), " second ").unwrap();
        let _ = cluster.front_proxy().await;
        std::fs::remove_file(account.path().join("token")).unwrap();
        let missing = cluster.front_proxy().await.unwrap_err();
        assert!(missing.contains("the token "), "{missing}");
        let asked = asked.lock().unwrap().clone();
        let expected = ["Bearer first", "Bearer second"].map(|token| ["GET", CONFIG_MAP, token].map(str::to_owned));
        assert_eq!(asked, expected);
    }

    #[tokio::test]
    async fn an_answer_is_read_up_to_its_longest() {
        let data = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
        for (length, part) in [(LONGEST, "has no requestheader-client-ca-file"), (LONGEST + 1, "is too long")] {
            let found = cluster(200, &data(length)).await.0.front_proxy().await.unwrap_err();
            assert!(found.contains(part), "{length}: {found}");
        }
    }
}

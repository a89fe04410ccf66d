//! The SDK client: built at the first request, because resolving region and credentials reads the environment, files
//! and possibly the instance metadata service.

use aws_config::retry::RetryConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_cloudwatch::config::{Builder, SharedHttpClient};
use aws_sdk_cloudwatch::types::MetricDatum;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use tokio::sync::Mutex;

use super::errors::{self, RequestError};
use crate::base::clock::{Clock, SystemClock};
use crate::outlets::push::sink::SinkError;

/// Where credentials, region and endpoint come from.
pub(super) type Loader = Box<dyn Fn() -> ConfigLoader + Send + Sync>;

/// Publishes to one namespace.
pub(super) struct CloudWatchClient {
    /// Makes a loader: loading consumes it.
    loader: Loader,
    region: Option<Region>,
    profile: Option<String>,
    namespace: String,
    /// `None` before the first request. It caches credentials.
    sdk: Mutex<Option<aws_sdk_cloudwatch::Client>>,
}

/// The SDK's default chain.
pub(super) fn loader() -> ConfigLoader {
    // Pinned: a newer version changes defaults, which should be a commit of its own.
    aws_config::defaults(BehaviorVersion::v2026_01_12())
}

impl CloudWatchClient {
    pub(super) fn new(loader: Loader, region: Option<String>, profile: Option<String>, namespace: String) -> Self {
        Self { loader, region: region.map(Region::new), profile, namespace, sdk: Mutex::default() }
    }

    /// Namespace and region, for previews.
    pub(super) fn target(&self) -> String {
        let region = self.region.as_ref().map_or("the region of the AWS configuration", Region::as_ref);
        format!("PutMetricData to {} in {region}", self.namespace)
    }

    /// Resolves region and credentials and returns the region. Sends nothing.
    pub(super) async fn check(&self) -> Result<String, SinkError> {
        let shared = self.load().await?;
        let provider = shared.credentials_provider().ok_or_else(errors::no_credentials)?;
        provider.provide_credentials().await.map_err(|error| errors::credentials_failure(&error))?;
        Ok(format!("credentials found; region {}", shared.region().map(ToString::to_string).unwrap_or_default()))
    }

    /// One request. The SDK gzips bodies of 10 KB and more, unless the AWS configuration says otherwise. Credentials that the
    /// service calls expired are fetched anew, once: their provider may have replaced them before the time it announced.
    pub(super) async fn put(&self, data: Vec<MetricDatum>) -> Result<(), SinkError> {
        let failure = |error: &RequestError| errors::request_failure(error, SystemClock.now());
        match self.send(&self.client().await?, data.clone()).await {
            Err(error) if errors::has_expired(&error) => {
                tracing::debug!("the AWS credentials have expired; fetching them anew");
                *self.sdk.lock().await = None;
                self.send(&self.client().await?, data).await.map_err(|error| failure(&error))
            }
            sent => sent.map_err(|error| failure(&error)),
        }
    }

    async fn send(&self, sdk: &aws_sdk_cloudwatch::Client, data: Vec<MetricDatum>) -> Result<(), RequestError> {
        sdk.put_metric_data().namespace(&self.namespace).set_metric_data(Some(data)).send().await.map(|_| ())
    }

    async fn client(&self) -> Result<aws_sdk_cloudwatch::Client, SinkError> {
        let mut sdk = self.sdk.lock().await;
        if let Some(client) = sdk.as_ref() {
            return Ok(client.clone());
        }
        Ok(sdk.insert(self.build().await?).clone())
    }

    /// Fails without a region, and is called again then: the metadata service may answer next time.
    async fn build(&self) -> Result<aws_sdk_cloudwatch::Client, SinkError> {
        let mut config = Builder::from(&self.load().await?);
        config.set_app_name(AppName::new("kdcube-metrics").ok());
        Ok(aws_sdk_cloudwatch::Client::from_conf(config.build()))
    }

    async fn load(&self) -> Result<SdkConfig, SinkError> {
        // `delivery` retries: it knows how much time is left.
        let loader = (self.loader)().http_client(http_client()).retry_config(RetryConfig::disabled());
        let loader = match &self.region {
            Some(region) => loader.region(region.clone()),
            None => loader,
        };
        let loader = match &self.profile {
            Some(profile) => loader.profile_name(profile),
            None => loader,
        };
        let shared = loader.load().await;
        if shared.region().is_some() { Ok(shared) } else { Err(errors::no_region()) }
    }
}

/// The SDK's default, proxies of the environment included, but on ring.
fn http_client() -> SharedHttpClient {
    HttpBuilder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

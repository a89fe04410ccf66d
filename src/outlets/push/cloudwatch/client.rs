//! The SDK's client: built at the first request, because that asks the environment, files and perhaps
//! the machine's metadata service for region and credentials.

use aws_config::retry::RetryConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_cloudwatch::config::{Builder, SharedHttpClient};
use aws_sdk_cloudwatch::types::MetricDatum;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder as HttpBuilder, Connector};
use tokio::sync::OnceCell;

use super::errors::{self, Failure};

/// Where credentials, region and endpoint come from.
pub(super) type Loader = Box<dyn Fn() -> ConfigLoader + Send + Sync>;

/// Puts data in one namespace.
pub(super) struct CloudWatchClient {
    /// A loader is used up by loading.
    loader: Loader,
    region: Option<Region>,
    namespace: String,
    sdk: OnceCell<aws_sdk_cloudwatch::Client>,
}

/// AWS' own chain, with our TLS.
pub(super) fn loader() -> ConfigLoader {
    // A version, not the latest: a new one changes defaults, which is for a commit to do.
    aws_config::defaults(BehaviorVersion::v2026_01_12())
}

impl CloudWatchClient {
    pub(super) fn new(loader: Loader, region: Option<String>, namespace: String) -> Self {
        Self { loader, region: region.map(Region::new), namespace, sdk: OnceCell::new() }
    }

    /// Where data is put, in words.
    pub(super) fn place(&self) -> String {
        let region = self.region.as_ref().map_or("the region that AWS' own settings name", Region::as_ref);
        format!("PutMetricData to {} in {region}", self.namespace)
    }

    /// Finds region and credentials, and gives the region; pushes nothing.
    pub(super) async fn check(&self) -> Result<String, Failure> {
        let shared = self.load().await?;
        let provider = shared.credentials_provider().ok_or_else(errors::no_credentials)?;
        provider.provide_credentials().await.map_err(|error| errors::credentials_failure(&error))?;
        Ok(format!("credentials found; region {}", shared.region().map(ToString::to_string).unwrap_or_default()))
    }

    /// One request. Bodies from 10 KB on are gzipped, unless AWS' own settings say otherwise.
    pub(super) async fn put(&self, data: Vec<MetricDatum>) -> Result<(), Failure> {
        let sdk = self.sdk.get_or_try_init(|| self.build()).await?;
        let request = sdk.put_metric_data().namespace(&self.namespace).set_metric_data(Some(data));
        request.send().await.map(|_| ()).map_err(|error| errors::failure(&error))
    }

    /// A client without a region is not kept: the metadata service may answer next time.
    async fn build(&self) -> Result<aws_sdk_cloudwatch::Client, Failure> {
        let mut config = Builder::from(&self.load().await?);
        config.set_app_name(AppName::new("kdcube-metrics").ok());
        Ok(aws_sdk_cloudwatch::Client::from_conf(config.build()))
    }

    async fn load(&self) -> Result<SdkConfig, Failure> {
        // Retries are the scheduler's: it knows how much time is left.
        let loader = (self.loader)().http_client(http_client()).retry_config(RetryConfig::disabled());
        let loader = match &self.region {
            Some(region) => loader.region(region.clone()),
            None => loader,
        };
        let shared = loader.load().await;
        if shared.region().is_some() { Ok(shared) } else { Err(errors::no_region()) }
    }
}

/// Like the SDK's own, proxies of the environment included, but on ring.
fn http_client() -> SharedHttpClient {
    HttpBuilder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

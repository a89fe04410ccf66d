//! What a recording leaves out.

use crate::platform::facts::{Facts, ThrottlingEvent};
use crate::platform::gateway::{GatewayConfig, SavedGatewayConfig};

/// The facts without sessions, and without fields of a saved configuration that are not known to hold no secret.
pub(super) fn redacted(mut facts: Facts, gateway: &GatewayConfig) -> Facts {
    facts.throttling_events.iter_mut().for_each(forget_session);
    if let SavedGatewayConfig::Text(text) = &facts.saved_gateway_config {
        facts.saved_gateway_config = known_fields(text, gateway);
    }
    facts
}

fn forget_session(event: &mut ThrottlingEvent) {
    if let Some(detail) = &mut event.detail {
        (detail.session_id, detail.shown) = (None, None);
    }
}

/// One that cannot be used is not shown at all: nobody knows where in it a secret is.
fn known_fields(text: &str, gateway: &GatewayConfig) -> SavedGatewayConfig {
    let saved = gateway.with_saved_json(text).ok().and_then(|saved| serde_json::to_string(saved.raw()).ok());
    saved.map_or_else(|| SavedGatewayConfig::Unreadable("cannot be used".to_owned()), SavedGatewayConfig::Text)
}

//! `dashboard`: a Grafana dashboard with the names in force. Without settings, deployment/grafana/kdcube-metrics.json is this
//! output, and a test keeps them equal.

use super::{CommandError, Exit, names, print};
use crate::outlets::dashboard;
use crate::settings::Settings;

pub(super) fn run(settings: Settings) -> Result<Exit, CommandError> {
    print(&dashboard::grafana(&names(settings)?))?;
    Ok(Exit::Success)
}

//! `explain`: why a metric is what it is, as the running server sees it.

use super::own_server::OwnServer;
use super::{CommandError, Exit, block_on, print};
use crate::cli::ExplainArgs;
use crate::settings::Settings;

pub(super) fn run(arguments: &ExplainArgs, settings: Settings) -> Result<Exit, CommandError> {
    let server = OwnServer::find(&arguments.server, settings)?;
    let text = block_on(explain(&server, arguments))?;
    print(&text)?;
    Ok(Exit::Success)
}

async fn explain(server: &OwnServer, arguments: &ExplainArgs) -> anyhow::Result<String> {
    let mut query = vec![("format", if arguments.json { "json" } else { "text" }.to_owned())];
    query.extend(arguments.at.map(|at| ("at", at.to_string())));
    let mut text = server.get(&["api", "v1", "explain", &arguments.key], &query).await?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

//! `top`: the page for people in a shell, from a server that runs. In a terminal it is refreshed until q is pressed; otherwise,
//! and with `--once`, it is printed once as text.

mod screen;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::sync::watch;

use super::own_server::OwnServer;
use super::{CommandError, Exit, block_on, print};
use crate::cli::TopArgs;
use crate::outlets::page::overview::Overview;
use crate::settings::Settings;

/// Between two requests: no tick is missed, and a request costs less than a scrape.
const REFRESH: Duration = Duration::from_secs(1);
/// How long a key waits at most.
const LOOK: Duration = Duration::from_millis(100);
/// Columns of the text where there is no terminal.
const COLUMNS: u16 = 100;

/// The newest answer, or why there is none.
type Answer = Result<Overview, String>;

pub(super) fn run(arguments: &TopArgs, settings: Settings, colour: bool) -> Result<Exit, CommandError> {
    let server = OwnServer::find(&arguments.server, settings)?;
    if arguments.once || !std::io::stdout().is_terminal() {
        let overview = block_on(overview(&server))?;
        print(&screen::text(&overview, COLUMNS))?;
    } else {
        block_on(watch(server, colour))?;
    }
    Ok(Exit::Success)
}

async fn overview(server: &OwnServer) -> anyhow::Result<Overview> {
    let text = server.get(&["api", "v1", "overview"], &[]).await?;
    serde_json::from_str(&text).context("the answer is no overview; is the server older than this command?")
}

/// Asks and draws side by side: a server that hangs delays no key.
async fn watch(server: OwnServer, colour: bool) -> anyhow::Result<()> {
    let (sender, answers) = watch::channel(None);
    let asking = tokio::spawn(async move {
        loop {
            let answer = overview(&server).await.map_err(|error| format!("{error:#}"));
            sender.send_replace(Some(answer));
            tokio::time::sleep(REFRESH).await;
        }
    });
    let drawing = tokio::task::spawn_blocking(move || draw(answers, colour)).await;
    asking.abort();
    drawing?.context("the terminal cannot be drawn")
}

fn draw(mut answers: watch::Receiver<Option<Answer>>, colour: bool) -> std::io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let result = loop {
        let answer = answers.borrow_and_update().clone();
        if let Err(error) = terminal.draw(|frame| screen::draw(frame, answer.as_ref(), colour)) {
            break Err(error);
        }
        match is_over(&answers) {
            Ok(false) => {}
            Ok(true) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    ratatui::try_restore()?;
    result
}

/// Waits for a key, another size or another answer; whether a key ends it.
fn is_over(answers: &watch::Receiver<Option<Answer>>) -> std::io::Result<bool> {
    loop {
        if event::poll(LOOK)? {
            return Ok(matches!(event::read()?, Event::Key(key) if ends(key)));
        }
        // The sender is gone only with the program.
        if answers.has_changed().unwrap_or(true) {
            return Ok(false);
        }
    }
}

fn ends(key: KeyEvent) -> bool {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_escape_and_control_c_end_it_and_nothing_else() {
        let key = |code, modifiers| ends(KeyEvent::new(code, modifiers));
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert!(key(code, KeyModifiers::NONE), "{code}");
        }
        assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE) && !key(KeyCode::Enter, KeyModifiers::NONE));
    }
}

//! The form for a browser that has no token yet.

use maud::{Markup, html};

use super::layout;

/// The form; `next` is where it leads after a good token, a path of this server.
pub(in crate::outlets) fn form(next: &str, is_wrong: bool) -> Markup {
    layout::document(
        "Sign in · kdcube-metrics",
        false,
        &html! {
            header.metric { h1 { "kdcube-metrics" } }
            @if is_wrong { p.warning role="alert" { "▲ This token is not accepted." } }
            form method="post" action="/login" {
                input type="hidden" name="next" value=(next);
                label { "Token of METRICS_AUTH_TOKEN" br; input type="password" name="token" autocomplete="current-password" required autofocus; }
                " " button { "Sign in" }
            }
        },
    )
}

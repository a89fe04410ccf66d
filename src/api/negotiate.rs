//! What a client accepts: the text format and the encoding of a scrape.

use axum::http::{HeaderMap, HeaderName, header};

use crate::exporters::prometheus::Format;

/// The format a scraper likes best; plain text unless it asks for OpenMetrics 1.0 at least as much.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let (mut open, mut text) = (0.0_f32, 0.0_f32);
    for (media, quality) in preferences(headers, &header::ACCEPT) {
        match media.split(';').next().unwrap_or_default().trim() {
            "application/openmetrics-text" if is_version_1(media) => open = open.max(quality),
            "text/plain" => text = text.max(quality),
            _ => {}
        }
    }
    if open > 0.0 && open >= text { Format::OpenMetrics } else { Format::Text }
}

fn is_version_1(media: &str) -> bool {
    let version = media.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("version="));
    version.is_none_or(|version| matches!(version.trim_matches('"'), "1.0.0" | "1.0"))
}

/// Whether the client takes gzip.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let named = |name: &str| preferences(headers, &header::ACCEPT_ENCODING).find(|(coding, _)| coding.trim() == name);
    named("gzip").or_else(|| named("*")).is_some_and(|(_, quality)| quality > 0.0)
}

/// The members of a list header, each with its `q`.
fn preferences<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, f32)> + use<'a> {
    let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(|member| match member.split_once(";q=") {
        Some((what, rest)) => {
            let quality = rest.split(';').next().unwrap_or_default().trim().parse();
            (what.trim(), quality.unwrap_or(0.0))
        }
        None => (member.trim(), 1.0),
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_scraper_gets_what_it_likes_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus, Format::OpenMetrics),
            ("application/openmetrics-text", Format::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", Format::OpenMetrics),
            ("application/openmetrics-text;version=0.0.1", Format::Text),
            ("application/openmetrics-text;version=1.0.0;q=0.4,text/plain;q=0.5", Format::Text),
            ("application/openmetrics-text;q=0", Format::Text),
            ("text/html,*/*", Format::Text),
            ("", Format::Text),
            (";;q=;,,q=abc", Format::Text),
        ] {
            assert_eq!(format(&headers(header::ACCEPT, accept)), expected, "{accept}");
        }
        assert_eq!(format(&HeaderMap::new()), Format::Text);
    }

    #[test]
    fn gzip_only_for_those_who_take_it() {
        for (accept, expected) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip;q=0, *", false),
            ("br", false),
        ] {
            assert_eq!(gzip(&headers(header::ACCEPT_ENCODING, accept)), expected, "{accept}");
        }
        assert!(!gzip(&HeaderMap::new()));
    }
}

//! What a client accepts: the text format and the encoding of a scrape.

use axum::http::{HeaderMap, HeaderName, header};

use crate::outlets::exposition::TextFormat;

/// The format that the scraper prefers; plain text unless it asks for OpenMetrics 1.0 at least as much.
pub(super) fn format(headers: &HeaderMap) -> TextFormat {
    let (mut open, mut text) = (0.0_f32, 0.0_f32);
    for (media, quality) in preferences(headers, &header::ACCEPT) {
        match name_of(media) {
            "application/openmetrics-text" if is_version_1(media) => open = open.max(quality),
            "text/plain" => text = text.max(quality),
            _ => {}
        }
    }
    if open > 0.0 && open >= text { TextFormat::OpenMetrics } else { TextFormat::Text }
}

/// A list member without its parameters.
fn name_of(member: &str) -> &str {
    member.split(';').next().unwrap_or_default().trim()
}

fn is_version_1(media: &str) -> bool {
    let version = media.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("version="));
    version.is_none_or(|version| matches!(version.trim_matches('"'), "1.0.0" | "1.0"))
}

/// Whether the client accepts gzip.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let named = |name: &str| preferences(headers, &header::ACCEPT_ENCODING).find(|(coding, _)| name_of(coding) == name);
    named("gzip").or_else(|| named("*")).is_some_and(|(_, quality)| quality > 0.0)
}

/// The members of a list header, each with its `q` from 0 to 1; 0 where `q` is invalid.
fn preferences<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, f32)> + use<'a> {
    let lists = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lists
        .flat_map(|list| list.split(','))
        .map(|member| {
            let given = member.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
            let quality =
                given.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q")).map(|(_, quality)| quality).next();
            (member, quality.map_or(1.0, |quality| quality.trim().parse().unwrap_or(0.0)))
        })
        .map(|(member, quality)| (member, if (0.0..=1.0).contains(&quality) { quality } else { 0.0 }))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_scraper_gets_the_format_that_it_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus, TextFormat::OpenMetrics),
            ("application/openmetrics-text", TextFormat::OpenMetrics),
            ("application/openmetrics-text; version=1.0.0; charset=utf-8", TextFormat::OpenMetrics),
            ("application/openmetrics-text;version=0.0.1", TextFormat::Text),
            ("application/openmetrics-text;version=1.0.0;q=0.4,text/plain;q=0.5", TextFormat::Text),
            ("application/openmetrics-text;q=0", TextFormat::Text),
            ("application/openmetrics-text; version=1.0.0; q=0.2, text/plain; Q=0.3", TextFormat::Text),
            ("application/openmetrics-text ; q = 0", TextFormat::Text),
            ("application/openmetrics-text;q=nan", TextFormat::Text),
            ("application/openmetrics-text;q=7,text/plain;q=0.1", TextFormat::Text),
            ("text/html,*/*", TextFormat::Text),
            ("", TextFormat::Text),
            (";;q=;,,q=abc", TextFormat::Text),
        ] {
            assert_eq!(format(&headers(header::ACCEPT, accept)), expected, "{accept}");
        }
        assert_eq!(format(&HeaderMap::new()), TextFormat::Text);
    }

    #[test]
    fn gzip_only_for_clients_that_accept_it() {
        for (accept, expected) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip ; q=0.000", false),
            ("gzip;q=-1", false),
            ("gzip;q=0, *", false),
            ("br", false),
        ] {
            assert_eq!(gzip(&headers(header::ACCEPT_ENCODING, accept)), expected, "{accept}");
        }
        assert!(!gzip(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn no_header_panics(accept in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&accept) {
                let headers = HeaderMap::from_iter([(header::ACCEPT, value.clone()), (header::ACCEPT_ENCODING, value)]);
                let _ = (format(&headers), gzip(&headers));
            }
        }

        #[test]
        fn the_higher_quality_wins(open in 1..1000_u32, text in 1..1000_u32, space in "[ ]{0,2}") {
            let quality = |thousandths: u32| f64::from(thousandths) / 1000.0;
            let (o, t) = (quality(open), quality(text));
            let accept = format!("text/plain{space};{space}q={t},{space}application/openmetrics-text;q={o}");
            let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(&accept).unwrap())]);
            let expected = if open >= text { TextFormat::OpenMetrics } else { TextFormat::Text };
            prop_assert_eq!(format(&headers), expected, "{}", accept);
        }
    }
}

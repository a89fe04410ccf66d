//! Foreign text in messages, and the nearest of known names.

/// Characters of a foreign text that are quoted.
const MAX_QUOTED: usize = 60;

/// The beginning of a foreign text, on one line.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().take(MAX_QUOTED).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// A text with foreign parts as one line.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// The known name that is most like another one; `None` where none is like it.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR: f64 = 0.6;
    let name = quoted(name);
    let ranked = known.map(|known| (strsim::normalized_damerau_levenshtein(&name, known), known));
    ranked.filter(|(rank, _)| *rank >= SIMILAR).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_found_and_nothing_where_none_is_near() {
        let near = |name| nearest(name, ["proc.queue.total", "proc.queue.pressure_ratio"].into_iter());
        assert_eq!(near("proc.queue.totl"), Some("proc.queue.total"));
        assert_eq!(near("proc_queue_pressure_ratio"), Some("proc.queue.pressure_ratio"));
        assert_eq!((near("zzz"), near("")), (None, None));
    }

    #[test]
    fn control_characters_end_no_line() {
        assert_eq!(one_line("a\nb\r\u{1b}[31m\0 é"), "a\u{fffd}b\u{fffd}\u{fffd}[31m\u{fffd} é");
    }

    #[test]
    fn a_quotation_is_short_and_on_one_line() {
        let text = quoted(&format!("a\nb{}", "é".repeat(100)));
        assert!(text.starts_with("a?bé") && text.chars().count() == 60, "{text}");
    }
}

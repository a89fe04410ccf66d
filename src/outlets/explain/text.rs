//! An explanation as text for a terminal.

use std::fmt::Write;

use super::Explanation;
use crate::outlets::human;

impl Explanation {
    /// A page of plain text, the most important lines first.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let mut page = format!("{}  {}\n{}\n", self.key, self.headline(), self.help);
        // Writing to a String cannot fail.
        let _ = self.write_body(&mut page);
        page
    }

    /// The value as people read it, or why there is none.
    #[must_use]
    pub(crate) fn headline(&self) -> String {
        match (self.value, &self.absent) {
            (Some(value), _) => human::value(value, self.unit),
            (None, Some(reason)) => format!("absent: {reason}"),
            (None, None) => format!("{} series", self.series.iter().filter(|series| series.value.is_some()).count()),
        }
    }

    fn write_body(&self, page: &mut String) -> std::fmt::Result {
        if let Some(filled) = &self.filled {
            writeln!(page, "\n  {filled}")?;
        }
        for operand in &self.operands {
            let value = shown(operand.value, operand.absent.as_deref());
            writeln!(page, "    {} = {value}: {}", operand.name, operand.what)?;
        }
        for series in &self.series {
            let value = shown(series.value, series.absent.as_deref());
            writeln!(page, "  {{{}}} {value}", series.labels)?;
        }
        self.write_then(page)?;
        self.write_origin(page)?;
        self.write_names(page)
    }

    fn write_then(&self, page: &mut String) -> std::fmt::Result {
        let Some(then) = &self.then else { return Ok(()) };
        let value = then.value.map(|value| human::value(value, self.unit));
        let value = value.unwrap_or_else(|| format!("absent: {}", then.absent.as_deref().unwrap_or_default()));
        let (asked, taken) = (human::time_of_day(then.asked), human::time_of_day(then.time));
        writeln!(page, "\nat {asked} UTC: {value} (snapshot {} of {taken}, quality {})", then.snapshot, then.quality)?;
        for change in &then.changed {
            writeln!(page, "  {}: {} then, {} now", change.key, shown(change.then, None), shown(change.now, None))?;
        }
        for mark in &then.since {
            writeln!(page, "  {} UTC: {} {}", human::time_of_day(mark.at), mark.kind.as_str(), mark.detail)?;
        }
        Ok(())
    }

    fn write_origin(&self, page: &mut String) -> std::fmt::Result {
        if let Some(snapshot) = &self.snapshot {
            let age = human::seconds(snapshot.age_seconds);
            writeln!(page, "\nsnapshot {}, {age} old, quality {}", snapshot.id, snapshot.quality)?;
        }
        if let Some(window) = &self.window {
            let fill =
                window.filled_ratio.map_or_else(|| "unknown".to_owned(), |fill| format!("{:.0} %", fill * 100.0));
            writeln!(page, "window {} of {}: {fill} filled", window.window, window.series)?;
        }
        for source in &self.sources {
            writeln!(page, "  {}  {} ({} UTC)", source.source, source.said, human::time_of_day(source.time))?;
        }
        for loss in &self.left_out {
            writeln!(page, "left out: {} × {}: {}", loss.times, loss.kind, loss.reason)?;
        }
        Ok(())
    }

    fn write_names(&self, page: &mut String) -> std::fmt::Result {
        let by_default = if self.names.cloudwatch_default { "" } else { "; only with METRICS_CLOUDWATCH_INCLUDE" };
        writeln!(page, "\nPrometheus  {}", self.names.prometheus.join(", "))?;
        writeln!(page, "CloudWatch  {} ({}{by_default})", self.names.cloudwatch, self.names.cloudwatch_unit)?;
        writeln!(page, "signals     {}", self.names.signals)?;
        writeln!(page, "\n{}\n\n{}\n\n{}", self.snippets.promql, self.snippets.cloudwatch, self.snippets.keda)
    }
}

fn shown(value: Option<f64>, absent: Option<&str>) -> String {
    match (value, absent) {
        (Some(value), _) => human::digits(value),
        (None, Some(reason)) => format!("absent ({reason})"),
        (None, None) => "absent".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::analysis::recorded::Case;
    use crate::catalog;
    use crate::outlets::explain::{explain, tests::snapshot};
    use crate::outlets::names::Mapping;

    #[test]
    fn the_text_has_value_formula_sources_names_and_snippets() {
        let state = Case::all().into_iter().find(|case| case.name == "queues-all-roles").unwrap().state();
        let snapshot = snapshot(state);
        let text =
            explain(catalog::find("proc.queue.pressure_ratio").unwrap(), Some(&snapshot), &Mapping::default()).text();
        for part in [
            "proc.queue.pressure_ratio  ",
            "    queued = ",
            "snapshot ",
            "acme:chat:kdcube:chat:prompt:queue:paid  ",
            "Prometheus  kdcube_proc_queue_pressure_ratio\n",
            "max(kdcube_proc_queue_pressure_ratio)",
            "valueLocation: proc.queue.pressure_ratio\n",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let family = explain(catalog::find("proc_queue_depth").unwrap(), Some(&snapshot), &Mapping::default()).text();
        assert!(family.contains("  {paid} ") && family.starts_with("proc_queue_depth  5 series\n"), "{family}");
    }
}

//! The policy as settings.

use std::time::Duration;

use super::policy::{Bounds, ComponentPolicy, Fraction, ScalePolicy};
use crate::settings::{FromSetting, SecondsOrZero, Setting, Settings, setting};

const PROC_TARGET: &Setting = setting("METRICS_SCALE_PROC_TARGET_UTILIZATION");
const PROC_WAIT: &Setting = setting("METRICS_SCALE_PROC_TARGET_WAIT_SEC");
const PROC_MIN: &Setting = setting("METRICS_SCALE_PROC_MIN");
const PROC_MAX: &Setting = setting("METRICS_SCALE_PROC_MAX");
const INGRESS_TARGET: &Setting = setting("METRICS_SCALE_INGRESS_TARGET_SATURATION");
const INGRESS_MIN: &Setting = setting("METRICS_SCALE_INGRESS_MIN");
const INGRESS_MAX: &Setting = setting("METRICS_SCALE_INGRESS_MAX");
const STABILIZATION: &Setting = setting("METRICS_SCALE_STABILIZATION_SEC");

impl FromSetting for Fraction {
    fn from_setting(text: &str) -> Result<Self, String> {
        let value: f64 = text.parse().map_err(|_| "is not a number".to_owned())?;
        Self::new(value).ok_or_else(|| "is out of range (above 0, at most 1)".to_owned())
    }
}

/// A number of replicas.
struct Replicas(u32);

impl FromSetting for Replicas {
    fn from_setting(text: &str) -> Result<Self, String> {
        const MOST: u32 = 100_000;
        let number = text.parse().ok().filter(|number| *number <= MOST);
        number.map(Self).ok_or_else(|| format!("is not a whole number up to {MOST}"))
    }
}

impl ScalePolicy {
    /// Reads the policy; errors are recorded.
    pub fn read(settings: &mut Settings) -> Option<Self> {
        let proc = component(settings, PROC_TARGET, PROC_MIN, PROC_MAX);
        let wait = settings.get::<Duration>(PROC_WAIT);
        let ingress = component(settings, INGRESS_TARGET, INGRESS_MIN, INGRESS_MAX);
        let stabilization = settings.get::<SecondsOrZero>(STABILIZATION);
        Some(Self {
            proc: proc?,
            target_wait_seconds: wait?.as_secs_f64(),
            ingress: ingress?,
            stabilization_seconds: stabilization?.0.as_secs_f64(),
        })
    }
}

fn component(
    settings: &mut Settings,
    target: &'static Setting,
    min: &'static Setting,
    max: &'static Setting,
) -> Option<ComponentPolicy> {
    let target = settings.get(target);
    let fewest = settings.get::<Replicas>(min);
    let most = settings.get::<Replicas>(max);
    let (fewest, most) = (fewest?.0, most?.0);
    let bounds = Bounds::new(fewest, most);
    if bounds.is_none() {
        settings.reject(max, &format!("is less than {} ({fewest})", min.variable()));
    }
    Some(ComponentPolicy { target: target?, bounds: bounds? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Option<ScalePolicy>, Vec<String>) {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let policy = ScalePolicy::read(&mut settings);
        (policy, settings.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_settings_defaults_are_the_policys() {
        assert_eq!(read(&[]), (Some(ScalePolicy::default()), Vec::new()));
    }

    #[test]
    fn each_setting_reaches_its_place() {
        let (policy, errors) = read(&[
            ("METRICS_SCALE_PROC_TARGET_UTILIZATION", "0.6"),
            ("METRICS_SCALE_PROC_TARGET_WAIT_SEC", "4.5"),
            ("METRICS_SCALE_PROC_MIN", "0"),
            ("METRICS_SCALE_PROC_MAX", "9"),
            ("METRICS_SCALE_INGRESS_TARGET_SATURATION", "1"),
            ("METRICS_SCALE_INGRESS_MIN", "2"),
            ("METRICS_SCALE_INGRESS_MAX", "2"),
            ("METRICS_SCALE_STABILIZATION_SEC", "0"),
        ]);
        let policy = policy.unwrap_or_else(|| panic!("{errors:?}"));
        let component = |target, min, max| ComponentPolicy {
            target: Fraction::new(target).unwrap(),
            bounds: Bounds::new(min, max).unwrap(),
        };
        let expected = ScalePolicy {
            proc: component(0.6, 0, 9),
            target_wait_seconds: 4.5,
            ingress: component(1.0, 2, 2),
            stabilization_seconds: 0.0,
        };
        assert_eq!(policy, expected);
    }

    #[test]
    fn what_cannot_be_is_named_with_what_is_accepted() {
        for (variables, start) in [
            (
                &[("METRICS_SCALE_PROC_TARGET_UTILIZATION", "80")][..],
                "METRICS_SCALE_PROC_TARGET_UTILIZATION \"80\": is out",
            ),
            (
                &[("METRICS_SCALE_PROC_TARGET_UTILIZATION", "nan")],
                "METRICS_SCALE_PROC_TARGET_UTILIZATION \"nan\": is out",
            ),
            (&[("METRICS_SCALE_PROC_TARGET_WAIT_SEC", "0")], "METRICS_SCALE_PROC_TARGET_WAIT_SEC \"0\": is out"),
            (&[("METRICS_SCALE_PROC_MIN", "-1")], "METRICS_SCALE_PROC_MIN \"-1\": is not a whole number"),
            (&[("METRICS_SCALE_PROC_MAX", "1e9")], "METRICS_SCALE_PROC_MAX \"1e9\": is not a whole number"),
            (
                &[("METRICS_SCALE_INGRESS_MIN", "5"), ("METRICS_SCALE_INGRESS_MAX", "4")],
                "METRICS_SCALE_INGRESS_MAX \"4\": is less than METRICS_SCALE_INGRESS_MIN (5)",
            ),
        ] {
            let (_, errors) = read(variables);
            assert!(errors.len() == 1 && errors[0].starts_with(start), "{errors:?}");
        }
    }
}

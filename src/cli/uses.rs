//! Which settings each command uses: it offers the flags of these and no others.
//!
//! The environment is shared by all commands, and commands that read a configuration validate all of it.

use crate::settings::{Group, Setting, setting};

const MODE: &Setting = setting("METRICS_MODE");
const CLIENT_EVENTS: &Setting = setting("METRICS_CLIENT_EVENTS");
const TLS_CERT_FILE: &Setting = setting("METRICS_TLS_CERT_FILE");
const EXPORT_INTERVAL: &Setting = setting("METRICS_EXPORT_INTERVAL_SEC");
const RUN_ONCE: &Setting = setting("METRICS_RUN_ONCE");
const SCRAPE_TTL: &Setting = setting("METRICS_PROM_SCRAPE_TTL_SEC");
const AUTH_TOKEN: &Setting = setting("METRICS_AUTH_TOKEN");
const PROXY_CA_FILE: &Setting = setting("METRICS_PROXY_CA_FILE");
const PROXY_CERT_FILE: &Setting = setting("METRICS_PROXY_CLIENT_CERT_FILE");
const PROXY_KEY_FILE: &Setting = setting("METRICS_PROXY_CLIENT_KEY_FILE");
const MAPPING: &Setting = setting("METRICS_MAPPING_JSON");
const PROM_NAMES: &Setting = setting("METRICS_PROM_NAMES");

/// What numbers are made with.
const NUMBERS: &[Group] = &[Group::Core, Group::Descriptors, Group::Gateway, Group::Scaling, Group::Postgres];
/// Where they come from, unless the deployment is simulated.
const SOURCES: &[Group] = &[Group::Redis, Group::Proxy];
/// Where they are pushed to; Prometheus' names are also those that it scrapes.
const SINKS: &[Group] = &[Group::Prometheus, Group::CloudWatch, Group::Otlp, Group::Statsd];
/// What serves them.
const SERVER: &[Group] = &[Group::Server, Group::Access, Group::Autoscalers, Group::Scheduler];

/// Groups of settings, with exceptions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uses {
    groups: &'static [&'static [Group]],
    besides: &'static [&'static Setting],
    except: &'static [&'static Setting],
}

impl Uses {
    const NOTHING: Self = Self { groups: &[], besides: &[], except: &[] };

    pub(super) const EVERYTHING: Self = Self::groups(&[NUMBERS, SOURCES, SINKS, SERVER]);

    const fn groups(groups: &'static [&'static [Group]]) -> Self {
        Self { groups, ..Self::NOTHING }
    }

    pub(super) fn contains(&self, setting: &Setting) -> bool {
        let grouped =
            self.groups.iter().any(|groups| groups.contains(&setting.group())) && !self.except.contains(&setting);
        grouped || self.besides.contains(&setting)
    }
}

/// What commands need that ask a running server.
const RUNNING_SERVER: Uses = Uses {
    groups: &[&[Group::Server]],
    besides: &[AUTH_TOKEN, TLS_CERT_FILE, PROXY_CA_FILE, PROXY_CERT_FILE, PROXY_KEY_FILE],
    except: &[CLIENT_EVENTS],
};

/// What decides on the names of metrics.
const NAMES: Uses = Uses { groups: &[&[Group::Descriptors]], besides: &[MAPPING, PROM_NAMES], except: &[] };

/// The commands by name.
pub(super) const COMMANDS: [(&str, Uses); 19] = [
    ("serve", Uses::EVERYTHING),
    ("check", Uses::EVERYTHING),
    ("demo", Uses { groups: &[NUMBERS, SINKS, SERVER], besides: &[], except: &[MODE, RUN_ONCE] }),
    ("snapshot", Uses { groups: &[NUMBERS, SOURCES], besides: &[MAPPING, PROM_NAMES], except: &[] }),
    ("once", Uses { groups: &[NUMBERS, SOURCES, SINKS], besides: &[EXPORT_INTERVAL], except: &[SCRAPE_TTL] }),
    ("healthcheck", Uses { groups: &[&[Group::Server]], besides: &[TLS_CERT_FILE], except: &[CLIENT_EVENTS] }),
    ("compare", RUNNING_SERVER),
    ("explain", RUNNING_SERVER),
    ("top", RUNNING_SERVER),
    ("record", Uses::groups(&[&[Group::Core, Group::Descriptors, Group::Redis, Group::Gateway]])),
    (
        "replay",
        Uses { groups: &[&[Group::Core, Group::Scaling]], besides: &[MAPPING, PROM_NAMES], except: &[MODE, RUN_ONCE] },
    ),
    ("simulate", Uses::groups(&[&[Group::Descriptors, Group::Redis, Group::Gateway]])),
    ("catalog", NAMES),
    ("dashboard", NAMES),
    ("completions", Uses::NOTHING),
    ("man", Uses::NOTHING),
    ("settings", Uses::NOTHING),
    ("problems", Uses::NOTHING),
    ("whatif", Uses::NOTHING),
];

/// The settings of a command; without one the program serves.
pub(super) fn of(command: Option<&str>) -> Uses {
    let Some(command) = command else { return Uses::EVERYTHING };
    COMMANDS.iter().find(|(name, _)| *name == command).map_or(Uses::NOTHING, |(_, uses)| *uses)
}

//! The world in a real Redis: what its processes leave there, faults included, byte for byte; the servers read it through the
//! real source.
//!
//! Keys expire by the simulated clock: they are removed when their time is over.

use std::collections::BTreeSet;
use std::time::Duration;

use kdcube_metrics::base::lease::{Contender, Leadership};
use kdcube_metrics::platform::facts::{Facts, Heartbeat, LatencySeries, Role};
use kdcube_metrics::platform::gateway::SavedGatewayConfig;
use kdcube_metrics::platform::keys::Keys;
use kdcube_metrics::simulator::writer;
use kdcube_metrics::sources::Source;
use kdcube_metrics::sources::redis::RedisSource;
use kdcube_metrics::sources::redis::config::RedisConfig;
use redis::{Connection, Pipeline};

use super::server::MOST;
use super::world::World;
use crate::support::RedisServer;

const TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct RedisWorld {
    server: RedisServer,
    connection: Connection,
    /// How much of the world's series and events has been written.
    written: [usize; LatencySeries::ALL.len()],
    events: usize,
    /// Series that are hidden behind a key of another type.
    hidden: BTreeSet<LatencySeries>,
    /// Heartbeats that were there at the last tick.
    beats: BTreeSet<String>,
}

impl RedisWorld {
    pub(super) fn start() -> Self {
        let server = RedisServer::start();
        let connection = server.connection();
        Self {
            server,
            connection,
            written: Default::default(),
            events: 0,
            hidden: BTreeSet::new(),
            beats: BTreeSet::new(),
        }
    }

    /// A source of one life of a server.
    pub(super) fn source(&self, world: &World, contender: Contender) -> Box<dyn Source> {
        let config = RedisConfig::new(&self.server.url(), contender.run.clone(), TIMEOUT).unwrap();
        let source = RedisSource::new(config, world.scope(), MOST);
        Box::new(source.with_lease(contender, &Leadership::default()))
    }

    /// Brings Redis to what the world is now.
    pub(super) fn write(&mut self, world: &World) {
        self.accept_writes(true);
        let mut commands = Pipeline::new();
        self.series(world, &mut commands);
        let state = writer::commands(world.keys(), &self.state(world), world.now());
        state.cmd_iter().for_each(|command| {
            commands.add_command(command.clone()).ignore();
        });
        self.heartbeats(world, &mut commands);
        self.samples(world, &mut commands);
        broken_queues(world, &mut commands);
        configuration(world, &mut commands);
        commands.query::<()>(&mut self.connection).expect("Redis takes what the world writes");
        self.accept_writes(world.read_only_until <= world.now());
    }

    /// A Redis that wants a replica before it takes a write has none.
    fn accept_writes(&mut self, accept: bool) {
        let wanted = if accept { "0" } else { "1" };
        let set = redis::cmd("CONFIG").arg(&["SET", "min-replicas-to-write", wanted]).query::<()>(&mut self.connection);
        set.expect("Redis can be configured");
    }

    /// What can be read, without what a fault hides.
    fn state(&mut self, world: &World) -> Facts {
        let mut facts = world.state();
        facts.departed.clear();
        facts.malformed.clear();
        facts.saved_gateway_config = SavedGatewayConfig::Missing;
        facts.sse = world
            .visible_samples()
            .filter(|sample| !world.broken_samples.contains_key(&sample.worker))
            .cloned()
            .collect();
        facts.throttling_events = world.events[self.events..].to_vec();
        self.events = world.events.len();
        for (series, written) in LatencySeries::ALL.into_iter().zip(&mut self.written) {
            if !world.broken_series.contains_key(&series) && !self.hidden.contains(&series) {
                facts.latency.insert(series, world.latency[&series][*written..].to_vec());
                *written = world.latency[&series].len();
            }
        }
        facts
    }

    fn heartbeats(&mut self, world: &World, commands: &mut Pipeline) {
        for beat in world.beats().filter(|beat| world.broken_beats.contains_key(&*beat.instance_id)) {
            commands.set(key(world.keys(), beat), "{broken").ignore();
        }
        let beats: BTreeSet<String> = world.beats().map(|beat| key(world.keys(), beat)).collect();
        for gone in self.beats.difference(&beats) {
            commands.del(gone).ignore();
        }
        self.beats = beats;
    }

    fn samples(&self, world: &World, commands: &mut Pipeline) {
        for sample in world.broken_visible_samples() {
            commands.set(world.keys().sse(&sample.worker), "oops").ignore();
        }
        for sample in world.quiet_samples() {
            commands.del(world.keys().sse(&sample.worker)).ignore();
        }
    }

    /// A broken series is a string; its own members are kept aside.
    fn series(&mut self, world: &World, commands: &mut Pipeline) {
        for series in LatencySeries::ALL {
            let (key, aside) = (world.keys().latency(series), format!("aside:{series:?}"));
            let (is_broken, is_hidden) = (world.broken_series.contains_key(&series), self.hidden.contains(&series));
            match (is_broken, is_hidden) {
                (true, false) => {
                    commands.cmd("COPY").arg(&key).arg(&aside).ignore();
                    commands.set(&key, "broken").ignore();
                    self.hidden.insert(series);
                }
                (false, true) => {
                    commands.del(&key).ignore();
                    commands.cmd("COPY").arg(&aside).arg(&key).arg("REPLACE").ignore();
                    commands.del(&aside).ignore();
                    self.hidden.remove(&series);
                }
                _ => {}
            }
        }
    }
}

fn key(keys: &Keys, beat: &Heartbeat) -> String {
    let process = beat.process_id.unwrap_or_default().to_string();
    keys.heartbeat(&beat.instance_id, &beat.service_type, &beat.service_name, &process)
}

fn broken_queues(world: &World, commands: &mut Pipeline) {
    for role in Role::ALL.into_iter().filter(|role| world.broken_queues.contains_key(role)) {
        commands.set(world.keys().queue(role), "broken").ignore();
    }
}

fn configuration(world: &World, commands: &mut Pipeline) {
    let key = world.keys().gateway_config();
    commands.del(&key).ignore();
    match &world.saved {
        SavedGatewayConfig::Missing => {}
        SavedGatewayConfig::Text(text) => {
            commands.set(&key, text).ignore();
        }
        SavedGatewayConfig::Unreadable(_) => {
            commands.rpush(&key, "of another type").ignore();
        }
    }
}

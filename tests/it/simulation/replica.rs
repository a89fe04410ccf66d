//! The replicas of the server: which of them run now, and a tick of each.

use kdcube_metrics::sources::SourceError;

use super::faults::{Faults, ReplicaFault};
use super::redis_world::RedisWorld;
use super::server::{Server, SharedWorld, contender};
use super::{INTERVAL, Tally, oracle};

/// Longest time without a point while every replica runs and Redis takes writes: the lease, and a tick of each who may take it.
const LONGEST_GAP: f64 = 15.0 + 2.0 * INTERVAL;

struct Replica {
    server: Server,
    /// Its machine's clock, ahead of the world's.
    ahead: f64,
    /// It does nothing before this.
    back_at: f64,
    /// It was killed and starts anew then.
    is_killed: bool,
}

pub(super) struct Replicas {
    world: SharedWorld,
    /// `None` = they read the world itself.
    redis: Option<RedisWorld>,
    replicas: Vec<Replica>,
    /// Numbers the lives of all.
    lives: u64,
    /// When something last kept points away.
    troubled_at: f64,
}

impl Replicas {
    pub(super) fn new(world: &SharedWorld, redis: Option<RedisWorld>, replicas: u64) -> Self {
        let troubled_at = world.lock().unwrap().now();
        let mut all = Self { world: SharedWorld::clone(world), redis, replicas: Vec::new(), lives: 0, troubled_at };
        for _ in 0..replicas {
            let server = all.start();
            all.replicas.push(Replica { server, ahead: 0.0, back_at: 0.0, is_killed: false });
        }
        all
    }

    fn start(&mut self) -> Server {
        self.lives += 1;
        let contender = contender(self.lives, INTERVAL);
        let Some(redis) = &self.redis else { return Server::start(&self.world, contender) };
        let source = redis.source(&self.world.lock().unwrap(), contender.clone());
        Server::start_on(source, &self.world, contender)
    }

    /// A tick of every replica that runs; what was wrong first.
    pub(super) async fn tick(&mut self, faults: &mut Faults, tally: &mut Tally) -> Result<(), String> {
        let now = self.world.lock().unwrap().now();
        if let Some(redis) = &mut self.redis {
            redis.write(&self.world.lock().unwrap());
        }
        faults.shuffle(&mut self.replicas);
        for index in 0..self.replicas.len() {
            self.strike(index, faults.replica(), now);
            if self.replicas[index].back_at > now {
                self.troubled_at = now;
                continue;
            }
            if std::mem::take(&mut self.replicas[index].is_killed) {
                self.replicas[index].server = self.start();
            }
            self.replicas[index].tick(&self.world, now, faults.is_scheduled(), tally).await?;
        }
        self.no_gap(now, faults.is_scheduled())
    }

    fn strike(&mut self, index: usize, fault: Option<ReplicaFault>, now: f64) {
        let replica = &mut self.replicas[index];
        match fault {
            Some(ReplicaFault::Restart) => replica.is_killed = true,
            Some(ReplicaFault::Kill { seconds }) => (replica.is_killed, replica.back_at) = (true, now + seconds),
            Some(ReplicaFault::Pause { seconds }) => replica.back_at = now + seconds,
            // Over a real Redis, whose clock is not simulated, a tick goes by its own time.
            Some(ReplicaFault::Clock { ahead }) if self.redis.is_none() => replica.ahead = ahead,
            Some(ReplicaFault::Clock { .. }) => {}
            None => {}
        }
    }

    /// Without trouble for the length of a lease, there are points.
    fn no_gap(&mut self, now: f64, is_scheduled: bool) -> Result<(), String> {
        let world = self.world.lock().unwrap();
        if world.is_away() || world.read_only_until > now || !is_scheduled {
            self.troubled_at = now;
        }
        let last = world.points().last().map_or(f64::NEG_INFINITY, |point| point.at);
        let since = last.max(self.troubled_at);
        if now - since <= LONGEST_GAP { Ok(()) } else { Err(format!("no point for {:.0} s", now - since)) }
    }
}

impl Replica {
    async fn tick(
        &mut self,
        world: &SharedWorld,
        now: f64,
        is_scheduled: bool,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let tick = self.server.tick(now + self.ahead, is_scheduled).await;
        let world = world.lock().unwrap();
        tally.ticks += 1;
        match tick {
            Ok(tick) => tally.compared += oracle::check(&world, &self.server.expected(), &tick.state)?,
            Err(SourceError::Unreachable { .. }) if world.is_away() => tally.failed += 1,
            Err(error) => return Err(format!("a tick failed without a fault: {error}")),
        }
        Ok(())
    }
}

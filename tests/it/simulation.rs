//! The whole system by a simulated clock: a deployment with faults, one to three replicas of this server, and an oracle that
//! knows the truth.
//!
//! A run is decided by its seed. After every tick the oracle computes each number again from all that the deployment ever
//! wrote, the slow way; what a server says must be that, or absent or flagged where it may be. A failure names seed and time:
//! `SIMULATION_SEEDS=17..18 cargo test --test it -- simulation` repeats it, and `SIMULATION_SEEDS=0..1000` runs for longer.

mod expected;
mod faults;
mod oracle;
mod reader;
mod recorded;
mod redis_world;
mod replica;
mod server;
mod world;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::faults::Faults;
use self::redis_world::RedisWorld;
use self::replica::Replicas;
use self::server::SharedWorld;
use self::world::World;

/// Simulated hours of a run.
const HOURS: f64 = 2.0;
/// The same through a real Redis.
const HOURS_IN_REDIS: f64 = 0.5;
const INTERVAL: f64 = 5.0;

/// Ticks, and numbers that were compared.
#[derive(Debug, Default)]
struct Tally {
    ticks: u64,
    failed: u64,
    compared: u64,
    takeovers: u64,
}

#[expect(clippy::disallowed_methods, reason = "a variable of this test, not a setting")]
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIMULATION_SEEDS") else { return 0..4 };
    let (from, to) = text.split_once("..").expect("SIMULATION_SEEDS=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// One run; what was wrong first.
async fn run(seed: u64, hours: f64, redis: Option<RedisWorld>) -> Result<Tally, String> {
    let mut faults = Faults::new(seed);
    let world: SharedWorld = Arc::new(Mutex::new(World::new(seed)));
    let is_timer_simulated = redis.is_none();
    let mut replicas = Replicas::new(&world, redis, 1 + seed % 3);
    let (start, mut tally) = (world.lock().unwrap().now(), Tally::default());
    let mut now = start;
    while now < start + hours * 3600.0 {
        let pause = faults.pause(INTERVAL);
        now += pause;
        if is_timer_simulated {
            tokio::time::advance(Duration::from_secs_f64(pause)).await;
        }
        {
            let mut world = world.lock().unwrap();
            world.advance(now);
            faults.strike(&mut world);
        }
        replicas.tick(&mut faults, &mut tally).await.map_err(|wrong| {
            let faults = world.lock().unwrap().faults();
            format!("seed {seed}, {:.0} s after the start, {faults}: {wrong}", now - start)
        })?;
    }
    tally.takeovers = world.lock().unwrap().lease.as_ref().map_or(0, |lease| lease.fence);
    Ok(tally)
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_each_number_is_the_truth_or_absent_or_flagged() {
    let mut all = Tally::default();
    for seed in seeds() {
        let run = run(seed, HOURS, None).await;
        let Tally { ticks, failed, compared, takeovers } = run.unwrap_or_else(|wrong| panic!("{wrong}"));
        all.ticks += ticks;
        all.failed += failed;
        all.compared += compared;
        all.takeovers += takeovers;
    }
    // Few outages, and many numbers at each tick: otherwise nothing was shown.
    assert!(all.failed * 20 < all.ticks && all.compared > all.ticks * 20 && all.takeovers > 0, "{all:?}");
    println!("{} seeds, {HOURS} h each: {all:?}", seeds().count());
}

#[tokio::test]
async fn the_same_holds_through_a_real_redis() {
    let seed = seeds().start;
    let tally =
        run(seed + 2, HOURS_IN_REDIS, Some(RedisWorld::start())).await.unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(tally.compared > tally.ticks * 20, "{tally:?}");
    println!("{HOURS_IN_REDIS} h: {tally:?}");
}

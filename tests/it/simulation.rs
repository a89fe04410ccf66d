//! The whole system by a simulated clock: a deployment with faults, this server, and an oracle that knows the truth.
//!
//! A run is decided by its seed. After every tick the oracle computes each number again from all that the deployment ever
//! wrote, the slow way; what the server says must be that, or absent or flagged where it may be. A failure names seed and time:
//! `SIMULATION_SEEDS=17..18 cargo test --test it -- simulation` repeats it, and `SIMULATION_SEEDS=0..1000` runs for longer.

mod faults;
mod oracle;
mod server;
mod world;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use self::faults::Faults;
use self::server::Server;
use self::world::World;

/// Simulated hours of a run.
const HOURS: f64 = 2.0;
const INTERVAL: f64 = 5.0;

/// Ticks, and numbers that were compared.
#[derive(Debug, Default)]
struct Tally {
    ticks: u64,
    failed: u64,
    compared: u64,
}

#[expect(clippy::disallowed_methods, reason = "a variable of this test, not a setting")]
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SIMULATION_SEEDS") else { return 0..4 };
    let (from, to) = text.split_once("..").expect("SIMULATION_SEEDS=FROM..TO");
    from.parse().unwrap()..to.parse().unwrap()
}

/// One run; what was wrong first.
async fn run(seed: u64) -> Result<Tally, String> {
    let mut faults = Faults::new(seed);
    let world = Arc::new(Mutex::new(World::new(seed)));
    let mut server = Server::start(&world);
    let (start, mut tally) = (world.lock().unwrap().now(), Tally::default());
    let mut now = start;
    while now < start + HOURS * 3600.0 {
        now += faults.pause(INTERVAL);
        let is_restarted = {
            let mut world = world.lock().unwrap();
            world.advance(now);
            faults.strike(&mut world)
        };
        if is_restarted {
            server = Server::start(&world);
        }
        let tick = server.tick(now, faults.is_scheduled()).await;
        let world = world.lock().unwrap();
        tally.ticks += 1;
        match tick {
            Ok(tick) => {
                tally.compared += oracle::check(&world, server.points(), &tick.state).map_err(|wrong| {
                    format!("seed {seed}, {:.0} s after the start, {}: {wrong}", now - start, world.faults())
                })?
            }
            Err(_) if world.is_away() => tally.failed += 1,
            Err(error) => return Err(format!("seed {seed}: a tick failed without a fault: {error}")),
        }
    }
    Ok(tally)
}

#[tokio::test]
async fn whatever_happens_each_number_is_the_truth_or_absent_or_flagged() {
    let mut all = Tally::default();
    for seed in seeds() {
        let Tally { ticks, failed, compared } = run(seed).await.unwrap_or_else(|wrong| panic!("{wrong}"));
        all.ticks += ticks;
        all.failed += failed;
        all.compared += compared;
    }
    // Few outages, and many numbers at each tick: otherwise nothing was shown.
    assert!(all.failed * 20 < all.ticks && all.compared > all.ticks * 20, "{all:?}");
    println!("{} seeds, {HOURS} h each: {all:?}", seeds().count());
}

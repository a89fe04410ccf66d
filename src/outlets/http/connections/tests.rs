//! Who makes room for whom.

use std::time::Duration;

use super::*;
use crate::telemetry::Observed;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

async fn told_to_go(slot: &ConnectionSlot) -> bool {
    tokio::time::timeout(Duration::from_millis(1), slot.evicted()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_goes_and_the_busy_stay() {
    let telemetry = Arc::new(Telemetry::default());
    let connections = Connections::new(2, Arc::clone(&telemetry));
    let busy = Arc::new(connections.admit(HERE).unwrap());
    let working = busy.busy();
    tokio::time::advance(Duration::from_secs(1)).await;
    let idle = connections.admit(HERE).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let third = Arc::new(connections.admit(HERE).expect("the idle one goes"));
    assert!(told_to_go(&idle).await);
    let _also_working = third.busy();
    assert!(connections.admit(HERE).is_none(), "all are busy");
    drop(working);
    assert!(connections.admit(HERE).is_some());
    let http = telemetry.own_state(Observed::default()).http;
    assert_eq!(CloseReason::ALL.map(|reason| http.closed_early(reason)), [1, 2, 0], "full, idle, handshake");
}

#[tokio::test(start_paused = true)]
async fn who_holds_most_makes_room() {
    let connections = Connections::new(3, Arc::default());
    let probe = connections.admit(HERE).unwrap();
    tokio::time::advance(Duration::from_secs(1)).await;
    let crowd = [THERE, "::ffff:10.0.0.1".parse().unwrap()].map(|from| connections.admit(from).unwrap());
    let newcomer = connections.admit(THERE).unwrap();
    assert!(told_to_go(&crowd[0]).await && !told_to_go(&probe).await && !told_to_go(&newcomer).await);
}

//! Facts from a deployment simulated in memory: no Redis needed.

//! Payload shapes of the connection pools that the workers report.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Windows;
use crate::platform::facts::Pool;

/// Sums over a component's processes, and their history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PoolsAggregate {
    pub postgres: PostgresTotals,
    pub redis: RedisTotals,
    /// Percent, of the pools whose utilization is known now.
    pub utilization_windows: PerPool,
    /// Connections, of the pools whose use is known now.
    pub in_use_windows: PerPool,
}

/// Sums over the Postgres pools, connections; `None` where no process reports the number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PostgresTotals {
    pub max_total: Option<f64>,
    pub size_total: Option<f64>,
    pub available_total: Option<f64>,
    pub in_use_total: Option<f64>,
    /// `round(in_use / max · 100, 1)`, where max falls back to size.
    pub utilization_percent: Option<f64>,
    pub reported_processes: i64,
}

/// The three Redis pools of a process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RedisTotals {
    #[serde(rename = "async")]
    pub asynchronous: RedisPoolTotals,
    pub async_decode: RedisPoolTotals,
    pub sync: RedisPoolTotals,
}

/// Sums over one kind of Redis pool, connections; `None` where no process reports the number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct RedisPoolTotals {
    pub max_total: Option<f64>,
    pub in_use_total: Option<f64>,
    pub available_total: Option<f64>,
    pub total_total: Option<f64>,
    /// `round(in_use / max · 100, 1)`, where max falls back to total.
    pub utilization_percent: Option<f64>,
    pub reported_processes: i64,
}

/// Windows by pool; a pool without a current value is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PerPool {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Windows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_async: Option<Windows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_async_decode: Option<Windows>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_sync: Option<Windows>,
}

impl PerPool {
    /// The pool's windows.
    #[must_use]
    pub const fn get(&self, pool: Pool) -> Option<&Windows> {
        match pool {
            Pool::Postgres => self.postgres.as_ref(),
            Pool::RedisAsync => self.redis_async.as_ref(),
            Pool::RedisAsyncDecode => self.redis_async_decode.as_ref(),
            Pool::RedisSync => self.redis_sync.as_ref(),
        }
    }

    /// The pool's place, to be filled.
    pub const fn get_mut(&mut self, pool: Pool) -> &mut Option<Windows> {
        match pool {
            Pool::Postgres => &mut self.postgres,
            Pool::RedisAsync => &mut self.redis_async,
            Pool::RedisAsyncDecode => &mut self.redis_async_decode,
            Pool::RedisSync => &mut self.redis_sync,
        }
    }
}

impl PoolsAggregate {
    /// Percent of the pool in use and connections in use, now.
    #[must_use]
    pub const fn current(&self, pool: Pool) -> (Option<f64>, Option<f64>) {
        let redis = match pool {
            Pool::Postgres => return (self.postgres.utilization_percent, self.postgres.in_use_total),
            Pool::RedisAsync => &self.redis.asynchronous,
            Pool::RedisAsyncDecode => &self.redis.async_decode,
            Pool::RedisSync => &self.redis.sync,
        };
        (redis.utilization_percent, redis.in_use_total)
    }
}

/// `connection_pools`: the same aggregates once more, by component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ConnectionPools {
    pub components: PoolsByComponent,
}

/// One aggregate a component.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct PoolsByComponent {
    pub ingress: Option<PoolsAggregate>,
    pub proc: Option<PoolsAggregate>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each pool's numbers are its own: a console reads them by these names.
    #[test]
    fn each_pool_is_found_under_its_own_name() {
        let redis = |percent: f64| json!({"utilization_percent": percent, "in_use_total": percent + 0.5});
        let windows = |mean: f64| json!({"1m": mean, "15m": mean + 1.0, "1h": mean + 2.0, "max": mean + 3.0});
        let sent = json!({
            "postgres": {"utilization_percent": 1.0, "in_use_total": 1.5},
            "redis": {"async": redis(2.0), "async_decode": redis(3.0), "sync": redis(4.0)},
            "utilization_windows": {"postgres": windows(10.0), "redis_async": windows(20.0),
                "redis_async_decode": windows(30.0), "redis_sync": windows(40.0)},
            "in_use_windows": {"redis_sync": windows(50.0)},
        });
        let read: PoolsAggregate = serde_json::from_value(sent).unwrap();
        for (pool, now, mean) in [
            (Pool::Postgres, 1.0, 10.0),
            (Pool::RedisAsync, 2.0, 20.0),
            (Pool::RedisAsyncDecode, 3.0, 30.0),
            (Pool::RedisSync, 4.0, 40.0),
        ] {
            assert_eq!(read.current(pool), (Some(now), Some(now + 0.5)), "{pool:?}");
            let [one_minute, fifteen_minutes, one_hour, max] = [0.0, 1.0, 2.0, 3.0].map(|step| Some(mean + step));
            let expected = Windows { one_minute, fifteen_minutes, one_hour, max };
            assert_eq!(read.utilization_windows.get(pool), Some(&expected), "{pool:?}");
            assert_eq!(read.in_use_windows.get(pool).is_some(), pool == Pool::RedisSync, "{pool:?}");
        }
    }

    #[test]
    fn a_pool_is_filled_and_shown_where_it_is_read_and_an_absent_one_is_left_out() {
        for pool in Pool::ALL {
            let mut windows = PerPool::default();
            *windows.get_mut(pool) = Some(Windows::default());
            assert_eq!(Pool::ALL.map(|other| windows.get(other).is_some()), Pool::ALL.map(|other| other == pool));
            let shown = serde_json::to_value(&windows).unwrap();
            assert_eq!(shown.as_object().unwrap().keys().collect::<Vec<_>>(), [pool.as_str()]);
        }
    }
}

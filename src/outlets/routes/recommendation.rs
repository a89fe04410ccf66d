//! `/api/v1/recommendation`: how many replicas there should be, with every operand and each step of the arithmetic.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::RouteState;
use super::route::{Route, RouteClass};
use crate::analysis::SystemState;
use crate::analysis::recommendation::{
    Hold, IngressOperands, Limit, ProcOperands, Recommendation, ReplicaOperands, Step,
};
use crate::analysis::state::Reading;
use crate::base::clock::UnixSeconds;
use crate::base::number::{self, float};
use crate::engine::snapshot::Snapshot;
use crate::outlets::http::layers::compression;
use crate::outlets::http::problem::HttpProblem;

pub(super) const RECOMMENDATION: Route = Route {
    path: "/api/v1/recommendation",
    aliases: &[],
    class: RouteClass::Normal,
    summary: "how many replicas there should be, and why",
    methods: || get(recommendation).layer(compression()),
    describe: |route| route.json::<RecommendationAnswer>(StatusCode::OK, "desired replicas of both components"),
};

/// How many replicas there should be, by one snapshot.
#[derive(Debug, Serialize, ToSchema)]
struct RecommendationAnswer {
    snapshot: RecommendationSnapshot,
    /// `ok`, `partial` or `scope_not_found`.
    quality: &'static str,
    proc: ComponentRecommendation,
    ingress: ComponentRecommendation,
}

/// The snapshot that it is of.
#[derive(Debug, Serialize, ToSchema)]
struct RecommendationSnapshot {
    id: String,
    /// Unix seconds.
    #[schema(value_type = f64)]
    time: UnixSeconds,
}

/// The replicas of one component.
#[derive(Debug, Serialize, ToSchema)]
struct ComponentRecommendation {
    desired: Option<i64>,
    current: Option<i64>,
    /// Desired − current.
    missing: Option<i64>,
    /// Why there is no number.
    reason: Option<String>,
    /// Which bound counts.
    limited_by: Option<&'static str>,
    /// Why it is not what the load needs.
    held_by: Option<&'static str>,
    /// Each by its name: its value, or `{"absent": reason}`.
    #[schema(value_type = HashMap<String, Value>)]
    operands: Map<String, Value>,
    /// The arithmetic, step by step.
    steps: Vec<String>,
}

async fn recommendation(State(state): State<RouteState>) -> Result<Json<RecommendationAnswer>, HttpProblem> {
    Ok(Json(shown(&*state.fresh().await?)))
}

fn shown(snapshot: &Snapshot) -> RecommendationAnswer {
    let SystemState { quality, scaling, .. } = &*snapshot.state;
    RecommendationAnswer {
        snapshot: RecommendationSnapshot { id: snapshot.id.to_string(), time: snapshot.taken_at },
        quality: quality.as_str(),
        proc: component(&scaling.proc, proc(&ProcOperands::of(&snapshot.state))),
        ingress: component(&scaling.ingress, ingress(&IngressOperands::of(&snapshot.state))),
    }
}

fn component(found: &Recommendation, operands: Map<String, Value>) -> ComponentRecommendation {
    ComponentRecommendation {
        desired: found.desired.get(),
        current: found.current.get(),
        missing: found.missing().get(),
        reason: found.desired.reason().map(ToString::to_string),
        limited_by: found.limited_by.map(Limit::as_str),
        held_by: found.held_by.map(Hold::as_str),
        operands,
        steps: found.steps.iter().map(Step::to_string).collect(),
    }
}

fn proc(operands: &ProcOperands) -> Map<String, Value> {
    let count = |reading: &Reading<i64>| reading.clone().map(float);
    let numbers = [
        ("active", count(&operands.active)),
        ("waiting", count(&operands.waiting)),
        ("waiting_jobs", count(&operands.waiting_jobs)),
        ("turned_away", count(&operands.turned_away)),
        ("slots_per_replica", operands.slots_per_replica.clone()),
        ("free_slots", count(&operands.free_slots)),
        ("arrivals_per_second", operands.arrivals_per_second.clone()),
        ("mean_exec_seconds", operands.mean_exec_seconds.clone()),
    ];
    let mut shown = listed(numbers, &operands.replicas);
    shown.insert("is_claiming".to_owned(), operands.is_claiming.get().into());
    shown
}

fn ingress(operands: &IngressOperands) -> Map<String, Value> {
    let numbers = [
        ("connections", operands.connections.clone().map(float)),
        ("limit_per_replica", operands.limit_per_replica.clone()),
    ];
    listed(numbers, &operands.replicas)
}

/// Each operand as its number, or as the reason why there is none.
fn listed<const N: usize>(numbers: [(&str, Reading<f64>); N], replicas: &ReplicaOperands) -> Map<String, Value> {
    let value = |reading: &Reading<f64>| match reading {
        Reading::Value(value) => number::json(*value),
        Reading::Absent(reason) => json!({"absent": reason.to_string()}),
    };
    let mut shown: Map<String, Value> =
        numbers.iter().map(|(name, reading)| ((*name).to_owned(), value(reading))).collect();
    let database = replicas.database.as_ref().map(
        |budget| json!({"max_connections": budget.max, "per_replica": budget.per_replica, "others": budget.others}),
    );
    let database = match database {
        Reading::Value(budget) => budget,
        Reading::Absent(reason) => json!({"absent": reason.to_string()}),
    };
    shown.insert("database".to_owned(), database);
    shown.insert("is_draining".to_owned(), replicas.is_draining.into());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::recommendation::ConnectionBudget;
    use crate::analysis::state::Cause;

    #[test]
    fn a_recommendation_has_what_is_missing_and_an_absent_one_the_reason_instead() {
        let (desired, current) = (Reading::Value(2), Reading::Value(5));
        let held_by = Some(Hold::Draining);
        let found = component(&Recommendation { desired, current, held_by, ..Recommendation::default() }, Map::new());
        assert_eq!((found.desired, found.current, found.missing), (Some(2), Some(5), Some(-3)));
        assert_eq!((found.reason, found.limited_by, found.held_by), (None, None, Some("draining")));
        let absent = Reading::absent(Cause::UnknownWorkers);
        let expected = absent.reason().map(ToString::to_string);
        let current = Reading::Value(5);
        let found = component(&Recommendation { desired: absent, current, ..Recommendation::default() }, Map::new());
        assert_eq!((found.desired, found.current, found.missing), (None, Some(5), None));
        assert!(found.reason.is_some() && found.reason == expected, "{:?}", found.reason);
    }

    #[test]
    fn each_operand_of_the_processors_is_its_number_or_why_there_is_none() {
        let database = Reading::Value(ConnectionBudget { max: 100, per_replica: 8, others: 20 });
        let operands = ProcOperands {
            replicas: ReplicaOperands { database, is_draining: true, ..ReplicaOperands::default() },
            active: Reading::Value(1),
            waiting: Reading::Value(2),
            waiting_jobs: Reading::Value(3),
            turned_away: Reading::Value(4),
            slots_per_replica: Reading::Value(2.5),
            free_slots: Reading::Value(0),
            is_claiming: Reading::Value(false),
            arrivals_per_second: Reading::Value(0.25),
            mean_exec_seconds: Reading::absent(Cause::UnknownWorkers),
        };
        let reason = operands.mean_exec_seconds.reason().map(ToString::to_string);
        let expected = json!({
            "active": 1,
            "waiting": 2,
            "waiting_jobs": 3,
            "turned_away": 4,
            "slots_per_replica": 2.5,
            "free_slots": 0,
            "arrivals_per_second": 0.25,
            "mean_exec_seconds": {"absent": reason},
            "database": {"max_connections": 100, "per_replica": 8, "others": 20},
            "is_draining": true,
            "is_claiming": false,
        });
        assert_eq!(Value::Object(proc(&operands)), expected);
        assert_eq!(proc(&ProcOperands::default())["is_claiming"], Value::Null);
    }

    #[test]
    fn the_ingress_has_its_connections_and_their_limit() {
        let (connections, limit_per_replica) = (Reading::Value(40), Reading::Value(25.0));
        let shown = ingress(&IngressOperands { connections, limit_per_replica, ..IngressOperands::default() });
        assert_eq!((&shown["connections"], &shown["limit_per_replica"]), (&json!(40), &json!(25)));
        assert!(shown["database"]["absent"].is_string() && shown["is_draining"] == false, "{shown:?}");
    }
}

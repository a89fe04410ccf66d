//! Models of autoscalers by the rules that their vendors document: values, counts and `now` in, the wanted count out.
//!
//! Each is a struct of its policy and of what it remembers between decisions.

pub mod alarm;
pub mod behavior;
pub mod ecs;
pub mod hpa;
pub mod keda;
pub mod step_scaling;
pub mod target_tracking;

/// The nearest count of replicas; what is not a number or negative is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating is what is wanted")]
fn replicas(value: f64) -> u32 {
    value.round() as u32
}

/// What an autoscaler knows about the service that it scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// The count that was last asked for: `spec.replicas`, or ECS' desired count.
    pub wanted: u32,
    /// Those that are up and take work.
    pub ready: u32,
}

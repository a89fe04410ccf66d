//! The methods of KEDA's external scaler.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt};
use tonic::{Request, Response, Status};

use super::answer;
use super::proto::external_scaler_server::ExternalScaler;
use super::proto::{
    GetMetricSpecResponse, GetMetricsRequest, GetMetricsResponse, IsActiveResponse, MetricSpec, MetricValue,
    ScaledObjectRef,
};
use super::streams::ActivityStreams;
use super::trigger::Trigger;
use crate::engine::snapshot::SnapshotReader;
use crate::telemetry::Telemetry;

/// Answers from the newest snapshot; never waits for one.
pub(super) struct Scaler {
    reader: SnapshotReader,
    streams: ActivityStreams,
    telemetry: Arc<Telemetry>,
}

impl Scaler {
    pub(super) const fn new(reader: SnapshotReader, streams: ActivityStreams, telemetry: Arc<Telemetry>) -> Self {
        Self { reader, streams, telemetry }
    }

    fn counted<T>(&self, method: &'static str, result: Result<T, Status>) -> Result<Response<T>, Status> {
        let code = result.as_ref().map_or_else(Status::code, |_| tonic::Code::Ok);
        self.telemetry.grpc_request(method, code_name(code));
        if let Err(status) = &result {
            tracing::debug!(method, %status, "a scaler request failed");
        }
        result.map(Response::new)
    }

    fn activity(&self, of: &ScaledObjectRef) -> Result<IsActiveResponse, Status> {
        let trigger = Trigger::parse(&of.scaler_metadata)?;
        let result = answer::is_active(&trigger, self.reader.fresh().as_deref())?;
        Ok(IsActiveResponse { result })
    }

    fn metrics(&self, request: &GetMetricsRequest) -> Result<GetMetricsResponse, Status> {
        let of = request.scaled_object_ref.as_ref();
        let of = of.ok_or_else(|| Status::invalid_argument("the request has no scaledObjectRef"))?;
        let trigger = Trigger::parse(&of.scaler_metadata)?;
        let name = trigger.name();
        if !request.metric_name.is_empty() && request.metric_name != name {
            return Err(Status::not_found(format!("the trigger's metric is `{name}`, and another one is asked for")));
        }
        let value = answer::value(&trigger, self.reader.fresh().as_deref())?;
        Ok(GetMetricsResponse { metric_values: vec![metric_value(name, value)] })
    }
}

/// From the metadata alone: KEDA makes the HPA of it, whether there are numbers now or not.
fn spec(of: &ScaledObjectRef) -> Result<GetMetricSpecResponse, Status> {
    let trigger = Trigger::parse(&of.scaler_metadata)?;
    let spec = MetricSpec {
        metric_name: trigger.name(),
        target_size: whole(trigger.target),
        target_size_float: trigger.target,
    };
    Ok(GetMetricSpecResponse { metric_specs: vec![spec] })
}

fn metric_value(metric_name: String, value: f64) -> MetricValue {
    MetricValue { metric_name, metric_value: whole(value), metric_value_float: value }
}

/// For versions of KEDA without fractions: rounded up, because a part of a task is not none.
#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn whole(number: f64) -> i64 {
    number.ceil() as i64
}

/// The code's name in gRPC's documents.
fn code_name(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        _ => "OTHER",
    }
}

#[tonic::async_trait]
impl ExternalScaler for Scaler {
    type StreamIsActiveStream = BoxStream<'static, Result<IsActiveResponse, Status>>;
    type StreamMetricSpecStream = BoxStream<'static, Result<GetMetricSpecResponse, Status>>;

    async fn is_active(&self, request: Request<ScaledObjectRef>) -> Result<Response<IsActiveResponse>, Status> {
        self.counted("IsActive", self.activity(request.get_ref()))
    }

    async fn stream_is_active(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamIsActiveStream>, Status> {
        let trigger = Trigger::parse(&request.get_ref().scaler_metadata).map_err(Status::from);
        let opened = trigger.and_then(|trigger| self.streams.activity(trigger, self.reader.clone()));
        self.counted("StreamIsActive", opened)
    }

    async fn get_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<GetMetricSpecResponse>, Status> {
        self.counted("GetMetricSpec", spec(request.get_ref()))
    }

    async fn get_metrics(&self, request: Request<GetMetricsRequest>) -> Result<Response<GetMetricsResponse>, Status> {
        self.counted("GetMetrics", self.metrics(request.get_ref()))
    }

    /// A spec follows from the metadata, which do not change while the stream is open: it is sent once.
    async fn stream_metric_spec(
        &self,
        request: Request<ScaledObjectRef>,
    ) -> Result<Response<Self::StreamMetricSpecStream>, Status> {
        let opened = spec(request.get_ref()).and_then(|spec| {
            let rest = self.streams.idle()?;
            Ok(stream::once(async { Ok(spec) }).chain(rest).boxed())
        });
        self.counted("StreamMetricSpec", opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_rounded_up_and_fractions_stay_beside_them() {
        for (number, expected) in [(0.0, 0), (0.2, 1), (1.0, 1), (1.5, 2), (7.0, 7), (1e300, i64::MAX)] {
            assert_eq!(whole(number), expected, "{number}");
        }
        let value = metric_value("x".to_owned(), 0.25);
        assert_eq!((value.metric_value, value.metric_value_float), (1, 0.25));
    }

    #[test]
    fn a_spec_needs_no_snapshot() {
        let metadata = [("metric", "proc.queue.pressure_ratio"), ("target", "0.7")];
        let scaler_metadata = metadata.into_iter().map(|(key, text)| (key.to_owned(), text.to_owned())).collect();
        let spec = spec(&ScaledObjectRef { scaler_metadata, ..ScaledObjectRef::default() }).unwrap();
        let expected =
            MetricSpec { metric_name: "proc-queue-pressure_ratio".to_owned(), target_size: 1, target_size_float: 0.7 };
        assert_eq!(spec.metric_specs, [expected]);
    }
}

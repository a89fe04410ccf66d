//! Streams that stay open: the activity of a workload, at once, with every change and from time to time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::answer;
use super::proto::IsActiveResponse;
use super::trigger::Trigger;
use crate::engine::snapshot::SnapshotReader;
use crate::outlets::http::grpc_limits::MAX_OPEN_STREAMS;

/// Time after which the activity is sent again though it has not changed.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(30);

/// Opens streams, up to a limit; all end when the server stops.
#[derive(Debug, Clone)]
pub(super) struct ActivityStreams {
    permits: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

impl ActivityStreams {
    pub(super) fn new(stopping: watch::Receiver<bool>) -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_OPEN_STREAMS)), stopping }
    }

    /// The activity of a trigger's workload.
    pub(super) fn activity(
        &self,
        trigger: Trigger,
        reader: SnapshotReader,
    ) -> Result<BoxStream<'static, Result<IsActiveResponse, Status>>, Status> {
        // What cannot be answered now fails the request itself: KEDA logs the status, and comes again.
        answer::is_active(&trigger, reader.fresh().as_deref())?;
        let (stopping, permit) = (self.stopping.clone(), self.permit()?);
        let watched = Watched { trigger, reader, stopping, sent: None, due: Instant::now(), _permit: permit };
        Ok(stream::unfold(Some(watched), async |watched| Some(watched?.next().await)).boxed())
    }

    /// A stream that sends nothing more.
    pub(super) fn idle<T: Send + 'static>(&self) -> Result<BoxStream<'static, Result<T, Status>>, Status> {
        let (mut stopping, permit) = (self.stopping.clone(), self.permit()?);
        let end = async move {
            let _permit = permit;
            stopped(&mut stopping).await;
            Err(going_away())
        };
        Ok(stream::once(end).boxed())
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Status> {
        let exhausted = |_| Status::resource_exhausted(format!("{MAX_OPEN_STREAMS} streams are open"));
        Arc::clone(&self.permits).try_acquire_owned().map_err(exhausted)
    }
}

/// One open stream of activity.
struct Watched {
    trigger: Trigger,
    reader: SnapshotReader,
    stopping: watch::Receiver<bool>,
    /// What was sent last.
    sent: Option<bool>,
    /// When it is sent again in any case.
    due: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Watched {
    /// The next message; the last one is a status.
    async fn next(mut self) -> (Result<IsActiveResponse, Status>, Option<Self>) {
        loop {
            match answer::is_active(&self.trigger, self.reader.fresh().as_deref()) {
                Err(unanswered) => return (Err(unanswered.into()), None),
                Ok(result) if self.sent != Some(result) || Instant::now() >= self.due => {
                    (self.sent, self.due) = (Some(result), Instant::now() + HEARTBEAT);
                    return (Ok(IsActiveResponse { result }), Some(self));
                }
                Ok(_) => {}
            }
            let goes_on = tokio::select! {
                published = self.reader.published() => published,
                () = sleep_until(self.due) => true,
                () = stopped(&mut self.stopping) => false,
            };
            if !goes_on {
                return (Err(going_away()), None);
            }
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone stops it too.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

fn going_away() -> Status {
    Status::unavailable("the server is stopping: connect again, to another replica")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::SystemState;
    use crate::analysis::state::{ComponentState, Reading};
    use crate::catalog;
    use crate::engine::snapshot::{self, Publisher, RunId, Snapshot};

    const SECOND: Duration = Duration::from_secs(1);

    fn trigger() -> Trigger {
        let metric = catalog::find("proc.queue.total").unwrap();
        Trigger { metric, target: 1.0, activation: 0.0, tenant: None, project: None }
    }

    fn publish(publisher: &Publisher, waiting: i64) {
        let mut state = SystemState::default();
        state.queue.total = Reading::Value(waiting);
        state.proc = Reading::Value(ComponentState { load: Reading::Value(0), ..ComponentState::default() });
        let id = RunId::random().snapshot(1);
        publisher.publish(Arc::new(Snapshot { id, taken_at: 0.0, taken: Instant::now(), state: Arc::new(state) }));
    }

    fn streams() -> (watch::Sender<bool>, ActivityStreams) {
        let (stop, stopping) = watch::channel(false);
        (stop, ActivityStreams::new(stopping))
    }

    #[tokio::test(start_paused = true)]
    async fn activity_is_sent_at_once_with_every_change_and_from_time_to_time() {
        let ((publisher, reader), (_stop, streams)) = (snapshot::channel(5 * SECOND, 100 * SECOND), streams());
        publish(&publisher, 0);
        let mut activity = streams.activity(trigger(), reader).unwrap();
        let began = Instant::now();
        assert!(!activity.next().await.unwrap().unwrap().result);
        publish(&publisher, 3);
        assert!(activity.next().await.unwrap().unwrap().result);
        assert_eq!(began.elapsed(), Duration::ZERO);
        publish(&publisher, 4);
        assert!(activity.next().await.unwrap().unwrap().result, "the heartbeat");
        assert_eq!(began.elapsed(), HEARTBEAT);
    }

    #[tokio::test(start_paused = true)]
    async fn without_fresh_numbers_a_stream_ends_and_none_begins() {
        let ((publisher, reader), (_stop, streams)) = (snapshot::channel(5 * SECOND, 20 * SECOND), streams());
        assert_eq!(streams.activity(trigger(), reader.clone()).err().unwrap().code(), tonic::Code::Unavailable);
        publish(&publisher, 0);
        let mut activity = streams.activity(trigger(), reader).unwrap();
        assert!(activity.next().await.unwrap().is_ok());
        assert_eq!(activity.next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
        assert!(activity.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn streams_end_when_the_server_stops_and_give_their_place_back_when_they_are_dropped() {
        let ((publisher, reader), (stop, streams)) = (snapshot::channel(5 * SECOND, 100 * SECOND), streams());
        publish(&publisher, 0);
        let mut open: Vec<_> = (1..MAX_OPEN_STREAMS).map(|_| streams.idle::<()>().unwrap()).collect();
        let mut activity = streams.activity(trigger(), reader.clone()).unwrap();
        assert_eq!(streams.activity(trigger(), reader).err().unwrap().code(), tonic::Code::ResourceExhausted);
        open.truncate(1);
        assert!(streams.idle::<()>().is_ok());
        assert!(activity.next().await.unwrap().is_ok());
        stop.send_replace(true);
        assert_eq!(activity.next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
        assert_eq!(open[0].next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    }
}

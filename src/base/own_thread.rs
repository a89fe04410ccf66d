//! Runs a future on a thread of its own, so that what it computes delays no other task.

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Starts it. The task that is returned ends with it, and early if it panics; aborting the task ends the future where it
/// next waits.
///
/// # Errors
/// The operating system gives no thread or no events.
pub(crate) fn spawn(name: &str, future: impl Future<Output = ()> + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (held, aborted) = oneshot::channel::<()>();
    let (ending, ended) = oneshot::channel::<()>();
    let run = move || {
        // Dropped at the end, and when the future panics.
        let _ending = ending;
        runtime.block_on(async {
            tokio::select! {
                () = future => {}
                _ = aborted => {}
            }
        });
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
    Ok(tokio::spawn(async move {
        let _held = held;
        let _ = ended.await;
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::time::{Duration, Instant};

    use super::*;

    /// Computes for a while.
    fn compute(time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn what_it_computes_delays_no_other_task() {
        let computing = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&computing);
        let task = spawn("computes", async move {
            compute(Duration::from_secs(1));
            flag.store(false, SeqCst);
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(computing.load(SeqCst), "the timer fired while it computed");
        task.unwrap().await.unwrap();
        assert!(!computing.load(SeqCst));
    }

    #[tokio::test]
    async fn aborting_its_task_ends_it_and_a_panic_ends_the_task() {
        let (alive, dropped) = oneshot::channel::<()>();
        let task = spawn("waits", async move {
            let _alive = alive;
            std::future::pending().await
        });
        task.unwrap().abort();
        assert!(dropped.await.is_err(), "the future was dropped");
        let task = spawn("panics", async { panic!("scripted") });
        task.unwrap().await.unwrap();
    }
}

//! Watches files that others replace while the server runs, and reloads them.
//!
//! Compares contents rather than times: swapped links, overwritten files and clocks that jump need no cases of their own,
//! and the files are small.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::base::files;

/// Time between two polls.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// Requests to poll now. Global as signals are, which request it.
static POLL_REQUESTS: LazyLock<watch::Sender<()>> = LazyLock::new(|| watch::Sender::new(()));

/// Makes every watcher poll now.
pub(crate) fn poll_all() {
    POLL_REQUESTS.send_replace(());
}

type Load<T> = dyn Fn() -> Result<T, Vec<String>> + Send + Sync;

/// Some files, and how to load what they hold together.
pub(crate) struct FileWatcher<T> {
    paths: Vec<PathBuf>,
    load: Box<Load<T>>,
    hasher: RandomState,
    /// Of the contents in use. Not the contents: they may be secret.
    fingerprint: u64,
    pending_error: Option<PendingError>,
}

/// Contents that cannot be loaded.
#[derive(Debug, Clone, Copy)]
struct PendingError {
    fingerprint: u64,
    reported: bool,
}

impl<T: Send + 'static> FileWatcher<T> {
    /// Loads the files. Returns their watcher and what they hold now.
    ///
    /// # Errors
    /// Those of `load`.
    pub(crate) fn begin(
        paths: Vec<PathBuf>,
        load: impl Fn() -> Result<T, Vec<String>> + Send + Sync + 'static,
    ) -> Result<(Self, T), Vec<String>> {
        let mut watcher =
            Self { paths, load: Box::new(load), hasher: RandomState::new(), fingerprint: 0, pending_error: None };
        // Before loading: a change between the two is noticed at the next poll.
        watcher.fingerprint = watcher.current_fingerprint();
        let loaded = (watcher.load)()?;
        Ok((watcher, loaded))
    }

    /// Polls until it is dropped. Calls `on_change` with new contents, or with the errors of contents that cannot be
    /// loaded: then the caller keeps the previous ones.
    pub(crate) async fn follow(mut self, mut on_change: impl FnMut(Result<T, Vec<String>>)) {
        let mut polls = tokio::time::interval(POLL_INTERVAL);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut requests = POLL_REQUESTS.subscribe();
        loop {
            tokio::select! {
                _ = polls.tick() => {},
                Ok(()) = requests.changed() => {},
            }
            // A slow file system must not block the runtime's few threads.
            let polled = tokio::task::spawn_blocking(move || {
                let change = self.poll();
                (self, change)
            });
            // Fails only when the runtime ends.
            let Ok((watcher, change)) = polled.await else { return };
            self = watcher;
            change.map(&mut on_change);
        }
    }

    /// New contents, those in use after errors were reported, or the errors of new contents that cannot be loaded. Errors are reported at the second poll with
    /// the same contents: the first may fall between the writes of two files.
    fn poll(&mut self) -> Option<Result<T, Vec<String>>> {
        let fingerprint = self.current_fingerprint();
        let pending = self.pending_error.take();
        if fingerprint == self.fingerprint {
            // A receiver that got the errors also needs to know that they are over.
            return pending.filter(|pending| pending.reported).map(|_| (self.load)());
        }
        let pending = pending.filter(|pending| pending.fingerprint == fingerprint);
        if let Some(PendingError { reported: true, .. }) = pending {
            self.pending_error = pending;
            return None;
        }
        match (self.load)() {
            Ok(loaded) => {
                self.fingerprint = fingerprint;
                Some(Ok(loaded))
            }
            Err(errors) => {
                self.pending_error = Some(PendingError { fingerprint, reported: pending.is_some() });
                pending.map(|_| Err(errors))
            }
        }
    }

    fn current_fingerprint(&self) -> u64 {
        let contents: Vec<_> = self.paths.iter().map(|path| files::read(path)).collect();
        self.hasher.hash_one(contents)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc;

    use super::*;

    fn number(path: &Path) -> Result<u8, String> {
        let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
        text.parse().map_err(|_| "is not a number".to_owned())
    }

    /// Watches two files that hold the same number, as a certificate and its key belong together.
    fn pair(folder: &Path) -> ([PathBuf; 2], FileWatcher<u8>, u8) {
        let paths = ["certificate", "key"].map(|name| folder.join(name));
        write(&paths, 1);
        let [first, second] = paths.clone();
        let load = move || match (number(&first), number(&second)) {
            (Ok(first), Ok(second)) if first == second => Ok(first),
            (Ok(_), Ok(_)) => Err(vec!["do not belong together".to_owned()]),
            (first, second) => Err([first.err(), second.err()].into_iter().flatten().collect()),
        };
        let (watcher, loaded) = FileWatcher::begin(paths.to_vec(), load).unwrap();
        (paths, watcher, loaded)
    }

    fn write(paths: &[PathBuf], number: u8) {
        paths.iter().for_each(|path| fs::write(path, number.to_string()).unwrap());
    }

    #[test]
    fn new_contents_are_reported_once_and_broken_ones_at_the_second_poll() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, mut watcher, first) = pair(folder.path());
        assert_eq!((first, watcher.poll()), (1, None));
        write(&paths, 2);
        assert_eq!([watcher.poll(), watcher.poll()], [Some(Ok(2)), None]);
        // Broken for good, in two ways.
        fs::write(&paths[0], "y").unwrap();
        let polled = [watcher.poll(), watcher.poll(), watcher.poll()];
        assert!(matches!(polled, [None, Some(Err(_)), None]), "{polled:?}");
        fs::remove_file(&paths[0]).unwrap();
        let polled = [watcher.poll(), watcher.poll(), watcher.poll()];
        assert!(matches!(polled, [None, Some(Err(_)), None]), "{polled:?}");
        // Back to what is in use: the end of the errors.
        write(&paths, 2);
        assert_eq!([watcher.poll(), watcher.poll()], [Some(Ok(2)), None]);
    }

    #[test]
    fn a_poll_between_the_writes_of_two_files_reports_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, mut watcher, _) = pair(folder.path());
        write(&paths[..1], 2);
        assert_eq!(watcher.poll(), None, "the key is still to come");
        write(&paths[1..], 2);
        assert_eq!(watcher.poll(), Some(Ok(2)));
        // Other contents each time: each may be half of a replacement.
        for number in 3..6 {
            write(&paths[..1], number);
            assert_eq!(watcher.poll(), None);
        }
        assert_eq!(watcher.poll(), Some(Err(vec!["do not belong together".to_owned()])));
    }

    #[test]
    fn a_swapped_link_is_a_change_and_a_rewrite_of_the_same_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new, link) = (folder.path().join("old"), folder.path().join("new"), folder.path().join("link"));
        fs::write(&old, "1").unwrap();
        fs::write(&new, "2").unwrap();
        std::os::unix::fs::symlink(&old, &link).unwrap();
        let path = link.clone();
        let load = move || number(&path).map_err(|error| vec![error]);
        let (mut watcher, _) = FileWatcher::begin(vec![link.clone()], load).unwrap();
        fs::write(&old, "1").unwrap();
        assert_eq!(watcher.poll(), None);
        // As Kubernetes does it: a new link in the place of the old one.
        let next = folder.path().join("next");
        std::os::unix::fs::symlink(&new, &next).unwrap();
        fs::rename(&next, &link).unwrap();
        assert_eq!(watcher.poll(), Some(Ok(2)));
    }

    #[tokio::test]
    async fn following_reports_a_change_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, watcher, _) = pair(folder.path());
        write(&paths, 7);
        let (out, changes) = mpsc::channel();
        let following = tokio::spawn(watcher.follow(move |change| out.send(change).unwrap()));
        let change = tokio::task::spawn_blocking(move || changes.recv_timeout(Duration::from_secs(10)));
        assert_eq!(change.await.unwrap(), Ok(Ok(7)));
        following.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_polls_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (paths, watcher, _) = pair(folder.path());
        let (out, mut changes) = tokio::sync::mpsc::unbounded_channel();
        let following = tokio::spawn(watcher.follow(move |change| out.send(change).unwrap()));
        tokio::time::sleep(POLL_INTERVAL / 2).await;
        write(&paths, 7);
        let requested = tokio::time::Instant::now();
        poll_all();
        assert_eq!(changes.recv().await, Some(Ok(7)));
        assert!(requested.elapsed() < POLL_INTERVAL / 2, "{:?}", requested.elapsed());
        following.abort();
    }
}

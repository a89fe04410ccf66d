//! Files that others replace while the server runs: looks at them, and tells what they hold now.
//!
//! Looks at contents rather than at times: links that are swapped, files that are overwritten and
//! clocks that jump are all the same to it, and the files are small.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::base::files;

/// Time between two looks.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);

type Load<T> = dyn Fn() -> Result<T, Vec<String>> + Send + Sync;

/// Some files, and how what they hold together is judged.
pub(crate) struct FileWatcher<T> {
    paths: Vec<PathBuf>,
    load: Box<Load<T>>,
    hasher: RandomState,
    /// Of the contents in use: the contents themselves may be secret.
    used: u64,
    pending_error: Option<PendingError>,
}

/// Contents that could not be used.
#[derive(Debug, Clone, Copy)]
struct PendingError {
    print: u64,
    told: bool,
}

impl<T: Send + 'static> FileWatcher<T> {
    /// What the files hold now, and the means to notice when that changes.
    ///
    /// # Errors
    /// As `load` has them.
    pub(crate) fn begin(
        paths: Vec<PathBuf>,
        load: impl Fn() -> Result<T, Vec<String>> + Send + Sync + 'static,
    ) -> Result<(Self, T), Vec<String>> {
        let mut followed =
            Self { paths, load: Box::new(load), hasher: RandomState::new(), used: 0, pending_error: None };
        // First the print: what changes between the two is seen at the next look.
        followed.used = followed.print();
        let held = (followed.load)()?;
        Ok((followed, held))
    }

    /// Looks for as long as it is polled, and hands on what is new, or what is wrong with it.
    pub(crate) async fn follow(mut self, mut hear: impl FnMut(Result<T, Vec<String>>)) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // A file system can be slow, and a runtime has few threads for those who are.
            let looked = tokio::task::spawn_blocking(move || {
                let heard = self.look();
                (self, heard)
            });
            // It ends with the runtime, and then nobody needs it.
            let Ok((back, heard)) = looked.await else { return };
            self = back;
            heard.map(&mut hear);
        }
    }

    /// New contents, or new ones that cannot be used. Those get a second look before they are called
    /// broken: whoever replaces two files may be between them.
    fn look(&mut self) -> Option<Result<T, Vec<String>>> {
        let print = self.print();
        let pending = self.pending_error.take().filter(|pending| pending.print == print);
        if print == self.used {
            return None;
        }
        if let Some(PendingError { told: true, .. }) = pending {
            self.pending_error = pending;
            return None;
        }
        match (self.load)() {
            Ok(held) => {
                self.used = print;
                Some(Ok(held))
            }
            Err(problems) => {
                self.pending_error = Some(PendingError { print, told: pending.is_some() });
                pending.map(|_| Err(problems))
            }
        }
    }

    fn print(&self) -> u64 {
        let contents: Vec<_> = self.paths.iter().map(|path| files::read(path)).collect();
        self.hasher.hash_one(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_contents_are_told_once_and_broken_ones_at_the_second_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("number");
        let file = path.clone();
        let load = move || {
            let text = std::fs::read_to_string(&file).map_err(|error| vec![error.to_string()])?;
            text.parse::<u8>().map_err(|error| vec![error.to_string()])
        };
        std::fs::write(&path, "1").unwrap();
        let (mut followed, first) = FileWatcher::begin(vec![path.clone()], load).unwrap();
        assert_eq!((first, followed.look()), (1, None));
        std::fs::write(&path, "2").unwrap();
        assert_eq!([followed.look(), followed.look()], [Some(Ok(2)), None]);
        // Half written, then whole: nobody hears of it.
        std::fs::write(&path, "x").unwrap();
        assert_eq!(followed.look(), None);
        std::fs::write(&path, "3").unwrap();
        assert_eq!(followed.look(), Some(Ok(3)));
        // Broken for good, in two ways.
        std::fs::write(&path, "y").unwrap();
        let heard = [followed.look(), followed.look(), followed.look()];
        assert!(matches!(heard, [None, Some(Err(_)), None]), "{heard:?}");
        std::fs::remove_file(&path).unwrap();
        let heard = [followed.look(), followed.look(), followed.look()];
        assert!(matches!(heard, [None, Some(Err(_)), None]), "{heard:?}");
        // Back to what is in use.
        std::fs::write(&path, "3").unwrap();
        assert_eq!(followed.look(), None);
    }
}

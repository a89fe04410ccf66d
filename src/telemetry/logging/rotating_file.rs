//! The log file: rotated by size as the platform's other services do it, `metrics.log`, then `metrics.log.1` and so on.
//!
//! Not a crate: those that rotate by count bring a second library for time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Where the file is and how much is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFileConfig {
    pub directory: PathBuf,
    /// The name without `.log`.
    pub prefix: String,
    /// A line that would make the file longer begins a new one.
    pub max_bytes: u64,
    /// Earlier files that are kept.
    pub backups: u32,
}

/// Appends to the newest file.
#[derive(Debug)]
pub(super) struct RotatingFile {
    config: LogFileConfig,
    file: File,
    length: u64,
}

impl LogFileConfig {
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.prefix))
    }

    fn backup(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{}.log.{number}", self.prefix))
    }
}

impl RotatingFile {
    /// Creates the directory and opens the file.
    ///
    /// # Errors
    /// One of them cannot be created or written.
    pub(super) fn open(config: LogFileConfig) -> io::Result<Self> {
        fs::create_dir_all(&config.directory)?;
        let (file, length) = append_to(&config.path())?;
        Ok(Self { config, file, length })
    }

    /// Moves each file on by one number and begins anew. If that fails the line is lost and the next one tries again: the
    /// limit holds.
    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.config.backups).rev() {
            rename_if_there(&self.config.backup(number), &self.config.backup(number + 1))?;
        }
        if self.config.backups > 0 {
            rename_if_there(&self.config.path(), &self.config.backup(1))?;
        } else {
            self.file.set_len(0)?;
        }
        (self.file, self.length) = append_to(&self.config.path())?;
        Ok(())
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.length > 0 && self.length.saturating_add(line.len() as u64) > self.config.max_bytes {
            self.rotate()?;
        }
        let written = self.file.write(line)?;
        self.length = self.length.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn append_to(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(directory: &Path, backups: u32) -> LogFileConfig {
        LogFileConfig { directory: directory.join("logs"), prefix: "metrics".to_owned(), max_bytes: 8, backups }
    }

    /// The files and what they hold, in order of their names.
    fn files(directory: &Path) -> Vec<(String, String)> {
        let entries = fs::read_dir(directory.join("logs")).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut files: Vec<_> = entries.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect();
        files.sort();
        files
    }

    fn after(lines: &[&str], backups: u32) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::open(config(folder.path(), backups)).unwrap();
        lines.iter().for_each(|line| file.write_all(line.as_bytes()).unwrap());
        files(folder.path())
    }

    #[test]
    fn the_file_is_rotated_before_it_is_too_long_and_the_oldest_go() {
        let owned = |(name, text): (&str, &str)| (name.to_owned(), text.to_owned());
        let lines = ["one\n", "two\n", "three\n", "4\n", "much too long\n", "5\n"];
        let kept = [("metrics.log", "5\n"), ("metrics.log.1", "much too long\n"), ("metrics.log.2", "three\n4\n")];
        assert_eq!(after(&lines, 2), kept.map(owned));
        assert_eq!(after(&lines, 0), [("metrics.log", "5\n")].map(owned));
        assert_eq!(after(&lines[..2], 1), [("metrics.log", "one\ntwo\n")].map(owned));
    }

    #[test]
    fn a_restart_appends() {
        let folder = tempfile::tempdir().unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            RotatingFile::open(config(folder.path(), 1)).unwrap().write_all(line.as_bytes()).unwrap();
        }
        let texts: Vec<String> = files(folder.path()).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["three\n", "one\ntwo\n"]);
    }

    #[test]
    fn a_rotation_that_fails_loses_the_line_and_not_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::open(config(folder.path(), 1)).unwrap();
        file.write_all(b"12345678").unwrap();
        fs::create_dir_all(folder.path().join("logs/metrics.log.1/x")).unwrap();
        assert!(file.write_all(b"9").is_err());
        fs::remove_dir_all(folder.path().join("logs/metrics.log.1")).unwrap();
        file.write_all(b"9").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("logs/metrics.log")).unwrap(), "9");
    }

    #[test]
    fn each_backup_is_older_than_the_one_before_it() {
        let lines = ["line 1\n", "line 2\n", "line 3\n", "line 4\n", "line 5\n"];
        let texts: Vec<String> = after(&lines, 3).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, ["line 5\n", "line 4\n", "line 3\n", "line 2\n"]);
    }
}

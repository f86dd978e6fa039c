//! Reads configuration files, whatever the path turns out to be.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::{ConfigError, ConfigProblem};

/// The largest file that is read: far more than any configuration, and a bound for `/dev/zero`.
const MAX_BYTES: u64 = 1 << 20;
/// How long a file may take to be read: a named pipe without a writer and a hung network file system never end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a text file; an error names it.
pub(super) fn read(file: &Path) -> Result<String, ConfigError> {
    read_within(file, PATIENCE)
}

fn read_within(file: &Path, patience: Duration) -> Result<String, ConfigError> {
    let unreadable =
        |reason: String| ConfigError::from(ConfigProblem::Unreadable { file: file.to_owned(), reason });
    let (sender, receiver) = mpsc::channel();
    let path = file.to_owned();
    // Nothing can end a blocked open. The thread is left to itself; it ends with the process.
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
        // Nobody listens any more after the patience.
        let _ = sender.send(read.map(|_| bytes));
    });
    let bytes = match receiver.recv_timeout(patience) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(unreadable(reason_of(&error))),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            return Err(unreadable(format!(
                "it cannot be read within {} s; is it a named pipe that nobody writes to, or on a network file system \
                 that hangs?",
                patience.as_secs()
            )));
        }
    };
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(unreadable(format!("it is larger than {} MiB, no configuration file", MAX_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| {
        unreadable("not a text file (invalid UTF-8); is it compressed, encrypted or UTF-16?".to_owned())
    })
}

fn reason_of(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::IsADirectory => "it is a directory; give the file in it".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether there is nothing in a certificate file. Anything but a plain small file is left to whoever uses it.
pub(super) fn is_blank(file: &Path) -> bool {
    const SMALL: u64 = 4096;
    if file == Path::new("/dev/null") {
        return true;
    }
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_file() && metadata.len() <= SMALL => {
            read(file).is_ok_and(|text| text.trim_start_matches('\u{feff}').trim().is_empty())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_never_ends_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = read_within(&pipe, Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.contains("named pipe") && error.contains("/pipe"), "{error}");
        let error = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert_eq!(error, "/dev/zero: it is larger than 1 MiB, no configuration file");
        let error = read(directory.path()).unwrap_err().to_string();
        assert!(error.contains("directory"), "{error}");
    }

    #[test]
    fn a_pipe_with_a_writer_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let writer = {
            let pipe = pipe.clone();
            thread::spawn(move || std::fs::write(pipe, "[Global]\n").unwrap())
        };
        assert_eq!(read(&pipe).unwrap(), "[Global]\n");
        writer.join().unwrap();
    }

    #[test]
    fn blank_files() {
        let directory = tempfile::tempdir().unwrap();
        for (text, expected) in [("", true), ("\n \n", true), ("\u{feff}", true), ("x", false)] {
            let file = directory.path().join("ca.pem");
            std::fs::write(&file, text).unwrap();
            assert_eq!(is_blank(&file), expected, "{text:?}");
        }
        assert!(is_blank(Path::new("/dev/null")));
        assert!(!is_blank(Path::new("/dev/zero")));
        assert!(!is_blank(&directory.path().join("absent")));
    }
}

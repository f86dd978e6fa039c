//! What this thread logs, for tests of what people are told.

use std::{
    io,
    sync::{Arc, Mutex, Once},
    thread,
};

use tracing::{
    Subscriber,
    subscriber::{DefaultGuard, NoSubscriber},
};
use tracing_subscriber::fmt::MakeWriter;

/// Gives what this thread logs to a subscriber, until the guard is dropped.
///
/// tracing remembers for each line of the code whether anybody wants it. A line that a thread without a subscriber is
/// the first to reach would be remembered as one that nobody wants, in the threads that do as well. With a second
/// subscriber, which all other threads have and which takes nothing, it asks each time.
pub fn listen(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    static OTHER_THREADS: Once = Once::new();
    OTHER_THREADS.call_once(|| tracing::subscriber::set_global_default(NoSubscriber::default()).unwrap());
    tracing::subscriber::set_default(subscriber)
}

/// The lines from [`CapturedLog::start`] on; use it in a test whose runtime has this one thread.
#[derive(Clone, Default)]
pub struct CapturedLog(Arc<Mutex<Vec<u8>>>);

impl CapturedLog {
    /// Captures until the guard is dropped.
    pub fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let lines = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).with_target(false);
        let guard = listen(lines.without_time().finish());
        (log, guard)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines with all these parts.
    pub fn lines(&self, parts: &[&str]) -> Vec<String> {
        let has_all = |line: &&str| parts.iter().all(|part| line.contains(part));
        self.text().lines().filter(has_all).map(str::to_owned).collect()
    }
}

impl MakeWriter<'_> for CapturedLog {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for CapturedLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_another_thread_reaches_first_is_captured() {
    let (log, _guard) = CapturedLog::start();
    let say = || tracing::info!("said");
    thread::spawn(say).join().unwrap();
    say();
    assert_eq!(log.lines(&["said"]).len(), 1);
}

//! Standard error, where the log goes, so that writing to it never blocks and never fails.
//!
//! Calls must be answered even when the log collector hangs, ends or has no space left. So a thread of its own writes the
//! lines. A line that cannot be written is lost and counted, and so is a line that comes when too many wait already.
//! (`tracing-appender` does half of this: it does not count failed writes, and reports with `println!`, which panics when
//! nobody reads.)

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    sync::{
        Condvar, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How many bytes may wait to be written.
const MAX_WAITING_BYTES: usize = 1 << 20;

static STANDARD_ERROR: LazyLock<StandardError> = LazyLock::new(StandardError::default);
static LOST_LINES: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct StandardError {
    queue: Mutex<Queue>,
    /// Lines came, or were written.
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// Whether the thread that writes was started.
    started: bool,
    /// Whether a line is being written.
    writing: bool,
}

/// Writes a line, its line feed included, as soon as it can be written.
pub fn write(line: Vec<u8>) {
    let mut queue = STANDARD_ERROR.lock();
    if queue.waiting_bytes.saturating_add(line.len()) > MAX_WAITING_BYTES {
        lose();
        return;
    }
    if !queue.started {
        let thread = thread::Builder::new().name("standard-error".to_owned());
        queue.started = thread.spawn(write_for_ever).is_ok();
    }
    if !queue.started {
        drop(queue);
        write_now(&line);
        return;
    }
    queue.waiting_bytes += line.len();
    queue.lines.push_back(line);
    STANDARD_ERROR.changed.notify_all();
}

/// Waits until everything is written, but not for longer than this.
pub fn flush(patience: Duration) {
    let queue = STANDARD_ERROR.lock();
    let unfinished = |queue: &mut Queue| queue.writing || !queue.lines.is_empty();
    // Whether it was in time or not: the process ends now.
    let _ = STANDARD_ERROR.changed.wait_timeout_while(queue, patience, unfinished);
}

/// How many lines could not be written since the start of the process.
#[must_use]
pub fn lost_lines() -> u64 {
    LOST_LINES.load(Ordering::Relaxed)
}

fn lose() {
    LOST_LINES.fetch_add(1, Ordering::Relaxed);
}

fn write_now(line: &[u8]) {
    if io::stderr().lock().write_all(line).is_err() {
        lose();
    }
}

fn write_for_ever() {
    let mut queue = STANDARD_ERROR.lock();
    loop {
        queue.writing = false;
        STANDARD_ERROR.changed.notify_all();
        queue = STANDARD_ERROR
            .changed
            .wait_while(queue, |queue| queue.lines.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        let Some(line) = queue.lines.pop_front() else { continue };
        queue.waiting_bytes = queue.waiting_bytes.saturating_sub(line.len());
        queue.writing = true;
        drop(queue);
        write_now(&line);
        queue = STANDARD_ERROR.lock();
    }
}

impl StandardError {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing in here is left half-done by a panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

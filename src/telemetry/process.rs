//! What Linux knows of this process, under the names that Prometheus clients use in all languages.

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus::{Error, Gauge, IntGauge, Registry};

/// Gauges about the process, read when they are scraped.
#[derive(Debug)]
pub struct ProcessMetrics {
    resident_memory: IntGauge,
    open_files: IntGauge,
}

impl ProcessMetrics {
    /// Registers the gauges; the process counts as started now.
    ///
    /// # Errors
    /// When a name is taken already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let start_time =
            Gauge::new("process_start_time_seconds", "When the process started, in seconds since 1970.")?;
        let resident_memory =
            IntGauge::new("process_resident_memory_bytes", "Memory that the process has in RAM, in bytes.")?;
        let open_files = IntGauge::new("process_open_fds", "Open file descriptors.")?;
        if let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) {
            start_time.set(now.as_secs_f64());
        }
        registry.register(Box::new(start_time))?;
        registry.register(Box::new(resident_memory.clone()))?;
        registry.register(Box::new(open_files.clone()))?;
        Ok(Self { resident_memory, open_files })
    }

    /// Reads `/proc/self`; where there is none, the gauges stay as they are.
    pub fn update(&self) {
        if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident_bytes)
        {
            self.resident_memory.set(bytes);
        }
        if let Ok(entries) = fs::read_dir("/proc/self/fd") {
            self.open_files.set(i64::try_from(entries.count()).unwrap_or(i64::MAX));
        }
    }
}

/// The `VmRSS` line of `/proc/self/status`, always in kB (`proc_pid_status(5)`). `statm` counts pages, whose size
/// only an unsafe call would tell.
fn resident_bytes(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: i64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_resident_size() {
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t   20480 kB\nVmData:\t1 kB\n"), Some(20_971_520));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
    }
}

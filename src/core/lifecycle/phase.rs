//! Where a node group stands between two resizes, and what that asks of whoever drives it.

use std::{
    hash::{Hash, Hasher},
    mem::discriminant,
    time::{Duration, Instant},
};

use super::timing::{MAX_DOUBLINGS, Timing, age};
use crate::core::{
    cloud::CloudError,
    resize::{InFlightResize, Resize},
};

/// The phase of one node group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is to be done.
    Idle,
    /// Requests are gathered into one resize.
    Gathering {
        /// Until when.
        until: Instant,
        /// A resize without effect that is to be sent again.
        lost: Option<Sent>,
    },
    /// The group is read until it may be resized.
    Settling {
        /// When it is read.
        pace: Pace,
        /// A resize without effect that is to be sent again.
        lost: Option<Sent>,
        /// Whether it was told that requests wait.
        waiting_told: bool,
    },
    /// A resize is being sent.
    Sending(Sent),
    /// A resize was sent; the group is read until its effect is clear.
    Following {
        /// Which one.
        sent: Sent,
        /// When the group is read.
        pace: Pace,
    },
}

/// A resize on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The resize, and the requests that it carries out.
    pub flight: InFlightResize,
    /// When it was sent.
    pub at: Instant,
}

/// What the driver of a group has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Nothing until the next event.
    Nothing,
    /// Feed [`Event::Tick`](super::Event::Tick) at this time.
    WakeAt(Instant),
    /// Read the group anew and feed [`Event::Read`](super::Event::Read).
    Read,
    /// Send exactly this and feed [`Event::ResizeAnswered`](super::Event::ResizeAnswered).
    Send(Resize),
}

impl Phase {
    /// The resize on its way, whether it is being sent, followed, or to be sent again.
    #[must_use]
    pub const fn in_flight(&self) -> Option<&Sent> {
        match self {
            Self::Idle => None,
            Self::Gathering { lost, .. } | Self::Settling { lost, .. } => lost.as_ref(),
            Self::Sending(sent) | Self::Following { sent, .. } => Some(sent),
        }
    }

    pub(super) const fn in_flight_mut(&mut self) -> Option<&mut Sent> {
        match self {
            Self::Idle => None,
            Self::Gathering { lost, .. } | Self::Settling { lost, .. } => lost.as_mut(),
            Self::Sending(sent) | Self::Following { sent, .. } => Some(sent),
        }
    }

    /// See [`Lifecycle::hash_at`](super::Lifecycle::hash_at).
    pub(super) fn hash_at(&self, now: Instant, timing: &Timing, hasher: &mut impl Hasher) {
        discriminant(self).hash(hasher);
        match self {
            Self::Idle | Self::Sending(_) => {}
            Self::Gathering { until, lost: _ } => until.saturating_duration_since(now).hash(hasher),
            Self::Settling { pace, lost: _, waiting_told } => {
                waiting_told.hash(hasher);
                pace.hash_at(now, hasher);
            }
            Self::Following { sent: _, pace } => pace.hash_at(now, hasher),
        }
        let sent = self.in_flight();
        let longest = timing.effect_timeout.max(timing.timeouts.oldest_answer);
        sent.map(|Sent { flight, at }| (flight, age(*at, now, longest))).hash(hasher);
    }

    /// What is to be done in it.
    #[must_use]
    pub fn work(&self) -> Work {
        match self {
            Self::Idle => Work::Nothing,
            Self::Gathering { until, .. } => Work::WakeAt(*until),
            Self::Settling { pace, .. } | Self::Following { pace, .. } => pace.work(),
            Self::Sending(sent) => Work::Send(sent.flight.resize.clone()),
        }
    }
}

/// When a group is read next: often while it changes, seldom while it does not, and seldom while that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    next: Option<Instant>,
    pause: Duration,
    failures: u32,
}

impl Pace {
    /// At once.
    #[must_use]
    pub const fn new(timing: &Timing) -> Self {
        Self { next: None, pause: timing.poll_interval.0, failures: 0 }
    }

    /// After the shortest pause.
    #[must_use]
    pub fn after_pause(timing: &Timing, now: Instant) -> Self {
        Self { next: Some(now + timing.poll_interval.0), ..Self::new(timing) }
    }

    fn hash_at(&self, now: Instant, hasher: &mut impl Hasher) {
        let Self { next, pause, failures } = self;
        next.map(|at| at.saturating_duration_since(now)).hash(hasher);
        (pause, (*failures).min(MAX_DOUBLINGS)).hash(hasher);
    }

    const fn work(&self) -> Work {
        match self.next {
            None => Work::Read,
            Some(at) => Work::WakeAt(at),
        }
    }

    /// The pause is over.
    pub(super) fn tick(&mut self, now: Instant) {
        self.next = self.next.filter(|at| now < *at);
    }

    /// The group was read, and has changed since the reading before or not.
    pub(super) fn succeeded(&mut self, changed: bool, timing: &Timing, now: Instant) {
        let (shortest, longest) = timing.poll_interval;
        self.pause = if changed { shortest } else { (self.pause * 3 / 2).min(longest) };
        self.failures = 0;
        self.next = Some(now + self.pause);
    }

    /// The group could not be read.
    pub(super) fn failed(&mut self, error: &CloudError, timing: &Timing, now: Instant) {
        self.failures += 1;
        self.pause = timing.backoff(self.failures, error.retry_after());
        self.next = Some(now + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_cloud_in_trouble_is_left_alone_for_longer_each_time() {
        let timing = Timing { max_backoff: seconds(20), ..Timing::default() };
        let pauses =
            [0, 1, 2, 5, 6, 7, 40, u32::MAX].map(|failures| timing.backoff(failures, None).as_millis());
        assert_eq!(pauses, [500, 1000, 2000, 16_000, 20_000, 20_000, 20_000, 20_000]);
        // However long the longest pause is, the doubling ends.
        let patient = Timing { max_backoff: seconds(3600), ..timing.clone() };
        assert_eq!([6, 7, 40].map(|failures| patient.backoff(failures, None)), [seconds(32); 3]);
        // As long as the cloud asks for, as far as that is believed.
        for (asked, pause) in [(0, 1), (1, 1), (21, 21), (300, 300), (301, 300)] {
            assert_eq!(timing.backoff(1, Some(seconds(asked))), seconds(pause), "{asked}");
        }
    }

    #[test]
    fn a_group_is_read_often_while_it_changes_and_seldom_while_it_does_not() {
        let (timing, now) = (Timing::default(), Instant::now());
        let mut pace = Pace::new(&timing);
        assert_eq!(pace.work(), Work::Read);
        let mut pauses = |change: &mut dyn FnMut(&mut Pace)| {
            change(&mut pace);
            let Work::WakeAt(at) = pace.work() else { panic!("{pace:?}") };
            (at - now).as_millis()
        };
        let unchanged: Vec<_> =
            (0..6).map(|_| pauses(&mut |pace| pace.succeeded(false, &timing, now))).collect();
        assert_eq!(unchanged, [750, 1125, 1687, 2531, 3000, 3000]);
        assert_eq!(pauses(&mut |pace| pace.succeeded(true, &timing, now)), 500);
        let error = CloudError::Inconsistent("pool".to_owned());
        let failed: Vec<_> = (0..3).map(|_| pauses(&mut |pace| pace.failed(&error, &timing, now))).collect();
        assert_eq!(failed, [1000, 2000, 4000]);
        // One that succeeds begins anew.
        pauses(&mut |pace| pace.succeeded(true, &timing, now));
        assert_eq!(pauses(&mut |pace| pace.failed(&error, &timing, now)), 1000);
    }

    #[test]
    fn a_pause_ends_when_its_time_has_come() {
        let (timing, now) = (Timing::default(), Instant::now());
        let mut pace = Pace::after_pause(&timing, now);
        let until = now + timing.poll_interval.0;
        pace.tick(until - Duration::from_millis(1));
        assert_eq!(pace.work(), Work::WakeAt(until));
        pace.tick(until);
        assert_eq!(pace.work(), Work::Read);
    }
}

//! A node that can be asked: what it has, how fast it is, how it behaves.

use std::time::Duration;

use outlast_types::{Hash, Time};

use super::units::Units;
use super::{BACKOFF, FAILURES, MEASURE, SURVEY, SURVEY_LOST, WINDOW, WINDOW_BYTES};
use crate::wire::{HAVE_BLOBS, HAVE_PIECES};

pub(super) struct Source {
    pub(super) origin: bool,
    /// What it has of each unit.
    pub(super) has: Vec<u64>,
    /// Bytes that it was asked for and owes.
    pub(super) in_flight: u64,
    /// Requests that it owes something of.
    pub(super) requests: usize,
    /// When something came from it last, or its first request went out.
    pub(super) moved: Time,
    /// It is left alone until then.
    pub(super) not_before: Time,
    /// When to ask it what it has; never the origin.
    pub(super) survey_at: Option<Time>,
    /// It was found to have nothing that can be asked for; until something changes.
    pub(super) dry: bool,
    /// Times that it lacked what it had said it has.
    pub(super) lacks: u32,
    /// Bytes that came from it.
    pub(super) bytes: u64,
    /// What went wrong last.
    pub(super) trouble: Option<String>,
    /// Bytes a second.
    pub(super) rate: u64,
    /// What came since the rate was measured.
    measured: (Time, u64),
    failures: u32,
    /// Time until the next survey after one without news.
    pause: Duration,
    /// The blob that the next survey starts at.
    cursor: usize,
}

impl Source {
    pub(super) fn new(origin: bool, units: &Units, now: Time) -> Self {
        let mut source = Self {
            origin,
            has: Vec::new(),
            in_flight: 0,
            requests: 0,
            moved: now,
            not_before: now,
            survey_at: None,
            dry: false,
            lacks: 0,
            bytes: 0,
            trouble: None,
            rate: 0,
            measured: (now, 0),
            failures: 0,
            pause: SURVEY.0,
            cursor: 0,
        };
        let all: Vec<_> = (0..units.len()).map(|unit| (unit, units.all(unit))).collect();
        source.learn(&all, now);
        source
    }

    /// There are more pieces: these bits of these units, the last of all units among them.
    pub(super) fn learn(&mut self, added: &[(usize, u64)], now: Time) {
        for &(unit, bits) in added {
            if self.has.len() <= unit {
                self.has.resize(unit + 1, 0);
            }
            self.has[unit] |= if self.origin { bits } else { 0 };
        }
        if !self.origin {
            self.survey_at = Some(self.survey_at.unwrap_or(now));
        }
        self.dry = false;
    }

    /// What may be in flight.
    pub(super) fn window(&self) -> u64 {
        let window = self.rate.saturating_mul(WINDOW.as_millis() as u64) / 1000;
        window.clamp(*WINDOW_BYTES.start(), *WINDOW_BYTES.end())
    }

    /// A request goes out.
    pub(super) fn ask(&mut self, now: Time, bytes: u64) {
        if self.requests == 0 {
            self.moved = now;
            self.measured = (now, 0);
        }
        self.requests += 1;
        self.in_flight += bytes;
    }

    /// A piece came that it was asked for.
    pub(super) fn moved(&mut self, now: Time, bytes: u64) {
        self.moved = now;
        self.bytes += bytes;
        self.failures = 0;
        self.measured.1 += bytes;
        let time = now.since(self.measured.0);
        if time >= MEASURE {
            let sample = self.measured.1.saturating_mul(1_000_000) / time.as_micros() as u64;
            self.rate = if self.rate == 0 { sample } else { (3 * self.rate + sample) / 4 };
            self.measured = (now, 0);
        }
    }

    /// Something went wrong. Whether that was once too often.
    pub(super) fn trouble(&mut self, now: Time, reason: &str) -> bool {
        self.trouble = Some(reason.to_owned());
        // What fails while it is left alone is the same trouble.
        if self.not_before > now {
            return false;
        }
        let backoff = BACKOFF.0 * 2u32.pow(self.failures.min(8));
        self.not_before = now + backoff.min(BACKOFF.1);
        self.failures += 1;
        self.failures >= FAILURES
    }

    /// It said what it has.
    pub(super) fn surveyed(&mut self, now: Time, news: bool) {
        if news {
            self.pause = SURVEY.0;
            self.dry = false;
        } else {
            self.pause = (self.pause * 2).min(SURVEY.1);
        }
        // Half-way through the blobs: go on at once.
        self.survey_at = Some(if self.cursor > 0 { now } else { now + self.pause });
    }

    /// What to ask it about now. The next time is when it answered, or didn't for long.
    pub(super) fn next_survey(&mut self, now: Time, units: &Units) -> Vec<Hash> {
        let mut blobs = Vec::new();
        let mut pieces = 0;
        let mut at = self.cursor;
        while at < units.blobs() && blobs.len() < HAVE_BLOBS {
            if let Some((hash, number)) = units.unknown_of(at, &self.has) {
                pieces += u64::from(number);
                if pieces > HAVE_PIECES {
                    break;
                }
                blobs.push(hash);
            }
            at += 1;
        }
        self.cursor = if at < units.blobs() { at } else { 0 };
        let wait = if blobs.is_empty() { SURVEY.1 } else { SURVEY_LOST };
        self.survey_at = Some(now + wait);
        blobs
    }
}

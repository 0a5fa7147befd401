//! The schedule of a run: each buyer's arrivals, quantities and faults, all fixed by the seed.
//!
//! Each attempt has its own random generator, seeded with the plan's seed, the buyer and the round.
//! So its values do not depend on how the tasks of a run are interleaved or in which order they
//! draw. The seed does not fix how the database interleaves the transactions: the same seed sends
//! the same buyers, and may sell the last unit to another of them.

use std::{sync::Arc, time::Duration};

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;

use crate::model::{
    Quantity, SimulationPlan,
    plan::{FaultKind, Quantities, Share},
};

/// Pauses are drawn from an exponential distribution, cut off at this many times its mean.
const PAUSE_MEANS_MAX: f64 = 10.0;
/// The longest time after which a buyer over HTTP abandons an attempt.
const PATIENCE_MAX_MS: u64 = 20;

/// One attempt as the seed fixes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlannedAttempt {
    pub buyer: u32,
    pub round: u32,
    pub quantity: Quantity,
    pub fault: Option<FaultKind>,
    /// The buyer's think time after the answer.
    pub think_time: Duration,
    /// How long a buyer over HTTP waits before abandoning the attempt.
    pub patience: Duration,
    /// The time since the previous arrival, in units of the mean time between arrivals.
    gap: f64,
}

impl PlannedAttempt {
    /// Returns the same attempt, marked as cut off by an abort of the run.
    #[must_use]
    pub fn cut_off(self) -> Self {
        Self {
            fault: Some(FaultKind::Abandon),
            ..self
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Schedule {
    plan: Arc<SimulationPlan>,
    /// The buyers in arrival order.
    queue: Vec<u32>,
    /// For open arrivals: the planned start of each attempt, in microseconds. The first rounds of
    /// all buyers come first, then the second rounds.
    arrivals_us: Vec<u32>,
}

impl Schedule {
    /// Creates the schedule of `plan` from its seed.
    pub fn of(plan: Arc<SimulationPlan>) -> Self {
        let mut queue: Vec<u32> = (0..plan.buyers).collect();
        queue.shuffle(&mut ChaCha12Rng::seed_from_u64(plan.seed));
        let arrivals_us = arrivals_us(&plan, &queue);
        Self {
            plan,
            queue,
            arrivals_us,
        }
    }

    /// Returns the buyers in arrival order.
    pub fn queue(&self) -> &[u32] {
        &self.queue
    }

    /// Returns the planned start of a round for the buyer at `place` in the queue, relative to the
    /// run's start. `None` for closed arrivals, whose start depends on the previous answer.
    pub fn intended(&self, place: usize, round: u32) -> Option<Duration> {
        let index = self.queue.len() * round as usize + place;
        let us = *self.arrivals_us.get(index)?;
        Some(Duration::from_micros(us.into()))
    }

    /// For closed arrivals: returns how long the buyer at `place` waits before a round.
    pub fn pause(&self, place: usize, round: u32) -> Duration {
        match (round.checked_sub(1), self.queue.get(place)) {
            (None, _) => {
                let ramp = Duration::from_millis(self.plan.ramp_ms.into());
                let part = u32::try_from(place).unwrap_or(u32::MAX);
                ramp * part / self.plan.buyers.max(1)
            }
            (Some(before), Some(buyer)) => self.attempt(*buyer, before).think_time,
            (Some(_), None) => Duration::ZERO,
        }
    }

    /// Returns the attempt of a buyer in a round.
    pub fn attempt(&self, buyer: u32, round: u32) -> PlannedAttempt {
        planned_attempt(&self.plan, buyer, round)
    }
}

/// Draws all values, also those that the plan does not use, so that one setting does not change the
/// values of another.
fn planned_attempt(plan: &SimulationPlan, buyer: u32, round: u32) -> PlannedAttempt {
    let mut rng = generator(plan.seed, buyer, round);
    let gap = exponential(&mut rng);
    let size: f64 = rng.random();
    let lot = rng.random_range(0..Share::ALL.basis_points());
    let pause = exponential(&mut rng).min(PAUSE_MEANS_MAX);
    let patience = rng.random_range(0..=PATIENCE_MAX_MS * 1_000);
    PlannedAttempt {
        buyer,
        round,
        quantity: quantity(plan.quantities, size),
        fault: plan.faults.for_draw(lot),
        think_time: Duration::from_millis(plan.think_time_ms.into()).mul_f64(pause),
        patience: Duration::from_micros(patience),
        gap,
    }
}

fn generator(seed: u64, buyer: u32, round: u32) -> ChaCha12Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..12].copy_from_slice(&buyer.to_le_bytes());
    key[12..16].copy_from_slice(&round.to_le_bytes());
    ChaCha12Rng::from_seed(key)
}

/// Draws from the exponential distribution with mean 1.
fn exponential(rng: &mut ChaCha12Rng) -> f64 {
    let uniform: f64 = rng.random();
    -(1.0 - uniform).ln()
}

/// Chooses a quantity by `size`, which is at least 0 and less than 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a quantity is from 1 to 1,000"
)]
fn quantity(quantities: Quantities, size: f64) -> Quantity {
    let (min, max) = (quantities.min(), quantities.max());
    let choices = f64::from(max.get().saturating_sub(min.get()) + 1);
    let drawn = min.get() + (size * choices) as u32;
    Quantity::new(drawn.into()).unwrap_or(max)
}

/// Draws the arrivals of a Poisson process, with independent gaps. During the ramp the gaps are
/// stretched to match the growing rate.
fn arrivals_us(plan: &SimulationPlan, queue: &[u32]) -> Vec<u32> {
    let Some(rate_per_s) = plan.arrivals.rate_per_s() else {
        return Vec::new();
    };
    let ramp_s = f64::from(plan.ramp_ms) / 1_000.0;
    let mut expected = 0.0;
    let rounds = 0..plan.rounds;
    rounds
        .flat_map(|round| queue.iter().map(move |buyer| (*buyer, round)))
        .map(|(buyer, round)| {
            expected += planned_attempt(plan, buyer, round).gap;
            in_us(moment_s(expected, rate_per_s.into(), ramp_s))
        })
        .collect()
}

/// Returns the moment at which `expected` arrivals are expected, at a rate that grows linearly
/// during the ramp.
fn moment_s(expected: f64, rate_per_s: f64, ramp_s: f64) -> f64 {
    let by_end_of_ramp = rate_per_s * ramp_s / 2.0;
    if expected < by_end_of_ramp {
        (2.0 * ramp_s * expected / rate_per_s).sqrt()
    } else {
        expected / rate_per_s + ramp_s / 2.0
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive time, cut at 71 minutes by the cast itself"
)]
fn in_us(seconds: f64) -> u32 {
    (seconds * 1_000_000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        ShopError,
        plan::{Arrivals, Faults, PRESETS},
    };

    fn plan(seed: u64) -> Result<Arc<SimulationPlan>, ShopError> {
        let plan = SimulationPlan {
            seed,
            buyers: 200,
            rounds: 3,
            quantities: Quantities::parse("1..5")?,
            arrivals: Arrivals::Open { rate_per_s: 1_000 },
            faults: Faults::parse("freeze=10,double-click=20")?,
            ..SimulationPlan::preset()
        };
        plan.validate().map(Arc::new)
    }

    /// Returns `(planned start, pause, attempt)` of every attempt.
    fn timeline(plan: &Arc<SimulationPlan>) -> Vec<(Option<Duration>, Duration, PlannedAttempt)> {
        let schedule = Schedule::of(Arc::clone(plan));
        let mut timeline = Vec::new();
        for round in 0..plan.rounds {
            for (place, buyer) in schedule.queue().iter().enumerate() {
                timeline.push((
                    schedule.intended(place, round),
                    schedule.pause(place, round),
                    schedule.attempt(*buyer, round),
                ));
            }
        }
        timeline
    }

    #[test]
    fn a_seed_fixes_moments_quantities_and_faults() -> Result<(), ShopError> {
        let one = timeline(&plan(7)?);
        assert_eq!(one, timeline(&plan(7)?));
        let other = timeline(&plan(8)?);
        let differ = |what: fn(&(Option<Duration>, Duration, PlannedAttempt)) -> String| {
            let pairs = one.iter().zip(&other);
            pairs.filter(|(a, b)| what(a) != what(b)).count() > 50
        };
        assert!(differ(|(moment, _, _)| format!("{moment:?}")));
        assert!(differ(|(_, _, planned)| planned.quantity.to_string()));
        assert!(differ(|(_, _, planned)| format!("{:?}", planned.fault)));
        assert!(differ(|(_, _, planned)| planned.buyer.to_string()));
        Ok(())
    }

    #[test]
    fn quantities_and_faults_occur_as_often_as_planned() -> Result<(), ShopError> {
        let timeline = timeline(&plan(42)?);
        let count = |what: &dyn Fn(&PlannedAttempt) -> bool| {
            timeline
                .iter()
                .filter(|(_, _, planned)| what(planned))
                .count()
        };
        for quantity in 1..=5 {
            let asked = count(&|planned| planned.quantity.get() == quantity);
            assert!(
                (80..160).contains(&asked),
                "{asked} of 600 asked for {quantity}"
            );
        }
        let frozen = count(&|planned| planned.fault == Some(FaultKind::Freeze));
        let doubled = count(&|planned| planned.fault == Some(FaultKind::DoubleClick));
        assert!((40..80).contains(&frozen), "{frozen} of 600, not about 60");
        assert!(
            (90..150).contains(&doubled),
            "{doubled} of 600, not about 120"
        );
        Ok(())
    }

    #[test]
    fn one_setting_does_not_change_the_values_of_another() -> Result<(), ShopError> {
        let plain = plan(3)?;
        let calm = Arc::new(SimulationPlan {
            faults: Faults::default(),
            think_time_ms: 5,
            arrivals: Arrivals::Closed,
            ..SimulationPlan::clone(&plain)
        });
        let quantities = |plan| -> Vec<_> {
            timeline(plan)
                .iter()
                .map(|(_, _, planned)| planned.quantity)
                .collect()
        };
        assert_eq!(quantities(&plain), quantities(&calm));
        Ok(())
    }

    #[test]
    fn open_arrivals_follow_their_rate() -> Result<(), ShopError> {
        let timeline = timeline(&plan(42)?);
        assert!(timeline.is_sorted_by_key(|(moment, _, _)| *moment));
        let last = timeline.last().and_then(|(moment, _, _)| *moment);
        let last_ms = last.map(|last| last.as_millis());
        assert!(
            last_ms.is_some_and(|ms| (500..700).contains(&ms)),
            "600 arrivals at 1,000 a second took {last:?}"
        );
        Ok(())
    }

    #[test]
    fn arrivals_grow_linearly_during_the_ramp() {
        // 100 a second after a ramp of 2 s: 100 arrivals during the ramp, a quarter of them in its
        // first half.
        for (expected, moment) in [(0.0, 0.0), (25.0, 1.0), (100.0, 2.0), (200.0, 3.0)] {
            assert!(
                (moment_s(expected, 100.0, 2.0) - moment).abs() < 1e-9,
                "{expected}"
            );
        }
        assert!((moment_s(50.0, 100.0, 0.0) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn closed_arrivals_spread_over_the_ramp_and_pause_between_rounds() {
        let plan = Arc::new(SimulationPlan {
            buyers: 10,
            rounds: 50,
            ramp_ms: 1_000,
            think_time_ms: 20,
            ..SimulationPlan::preset()
        });
        let schedule = Schedule::of(plan);
        let first: Vec<_> = (0..10)
            .map(|place| schedule.pause(place, 0).as_millis())
            .collect();
        assert_eq!(first, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(schedule.intended(0, 0), None);
        let thought: Duration = (0..10)
            .flat_map(|place| (1..50).map(move |round| (place, round)))
            .map(|(place, round)| schedule.pause(place, round))
            .sum();
        let mean_ms = thought.as_millis() / 490;
        assert!((16..=24).contains(&mean_ms), "{mean_ms} ms, not about 20");
    }

    #[test]
    fn every_preset_injects_its_faults() {
        for preset in PRESETS {
            let plan = Arc::new(preset.plan());
            let drawn: Vec<_> = timeline(&plan)
                .iter()
                .map(|(_, _, planned)| planned.fault)
                .collect();
            for (kind, share) in plan.faults.iter() {
                let struck = drawn.iter().filter(|fault| **fault == Some(kind)).count();
                let expected = drawn.len() * share.basis_points() as usize / 10_000;
                assert!(
                    struck * 2 >= expected,
                    "{}: {kind:?} struck {struck}, {expected} expected",
                    preset.name
                );
            }
        }
    }
}

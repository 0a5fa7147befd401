//! What an audience sees of a run: less than its leader does, and light enough for a room full of telephones.

use serde::{Deserialize, Serialize};

use super::{LaneSnapshot, RunSnapshot, RunState, Sample, StrategyKey};

/// Points of a curve that are sent at once. A page that has more of them drops every second one.
pub const MOMENTS_MAX: usize = 240;

/// A run for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presentation {
    pub id: String,
    pub state: RunState,
    /// Buyers of each lane.
    pub buyers: u32,
    /// Attempts over all lanes.
    pub attempts: u64,
    /// The product of the shop that is sold; none: private lanes.
    pub product_name: Option<String>,
    pub lanes: Vec<LanePresentation>,
}

/// One of its lanes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LanePresentation {
    pub strategy: StrategyKey,
    /// Units at the start.
    pub stock: i64,
    pub moments: Vec<Moment>,
    /// Once it has been judged: `(oversold, undersold)`.
    pub verdict: Option<(i64, i64)>,
}

/// How a lane stood at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// Since the lane's first buyer started.
    pub elapsed_ms: u64,
    /// Units left.
    pub remaining: i64,
    /// Units sold, as far as buyers know; of a lane that was judged, from the order lines.
    pub sold: i64,
    /// Attempts that came to nothing.
    pub turned_away: u64,
}

/// The latest moment of each lane; none for one that has not begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments(pub Vec<Option<Moment>>);

impl Presentation {
    /// What may be shown of `run`.
    pub fn of(run: &RunSnapshot) -> Self {
        let each = run.plan.quantities.max().get();
        let lanes = run.lanes.iter();
        Self {
            id: run.id.clone(),
            state: run.state,
            buyers: run.plan.buyers,
            attempts: run.plan.attempts_in_all(),
            product_name: run.plan.product_id.and_then(|_| {
                let lane = run.lanes.first()?;
                Some(lane.product_name.clone())
            }),
            lanes: lanes.map(|lane| LanePresentation::of(lane, each)).collect(),
        }
    }

    /// The latest of each lane.
    pub fn latest(&self) -> Moments {
        let lanes = self.lanes.iter();
        Moments(lanes.map(|lane| lane.moments.last().copied()).collect())
    }

    /// Adds what happened since.
    pub fn take_in(&mut self, moments: &Moments) {
        for (lane, moment) in self.lanes.iter_mut().zip(&moments.0) {
            if let Some(moment) = moment {
                lane.push(*moment);
            }
        }
    }

    /// Units sold beyond what there was, over all lanes: as far as buyers know, and by the database for lanes that were judged.
    pub fn oversold(&self) -> i64 {
        self.lanes.iter().map(LanePresentation::oversold).sum()
    }

    /// Units that were left though somebody wanted them, over all lanes; none before all were judged.
    pub fn undersold(&self) -> Option<i64> {
        let lanes = self.lanes.iter();
        lanes
            .map(|lane| lane.verdict.map(|(_, undersold)| undersold))
            .sum()
    }

    /// Attempts that have ended, as far as lanes tell: sold and turned away.
    pub fn turned_away(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.last().turned_away).sum()
    }
}

impl LanePresentation {
    fn of(lane: &LaneSnapshot, each: u32) -> Self {
        let moment = |sample: &Sample| Moment {
            elapsed_ms: sample.elapsed_ms,
            remaining: sample.remaining,
            sold: i64::try_from(sample.units_sold(each)).unwrap_or(i64::MAX),
            turned_away: sample.turned_away(),
        };
        let mut moments: Vec<Moment> = lane.samples.iter().map(moment).collect();
        if let (Some(last), Some(verdict)) = (moments.last_mut(), &lane.verdict) {
            last.sold = verdict.sold;
        }
        thin(&mut moments);
        Self {
            strategy: lane.strategy,
            stock: lane.stock,
            moments,
            verdict: lane
                .verdict
                .as_ref()
                .map(|verdict| (verdict.oversold, verdict.undersold)),
        }
    }

    /// The latest moment, or that nothing has happened yet.
    pub fn last(&self) -> Moment {
        self.moments.last().copied().unwrap_or(Moment {
            remaining: self.stock,
            ..Moment::default()
        })
    }

    /// Units sold beyond what there was.
    pub fn oversold(&self) -> i64 {
        match self.verdict {
            Some((oversold, _)) => oversold,
            None => (self.last().sold - self.stock).max(0),
        }
    }

    fn push(&mut self, moment: Moment) {
        if self.last().elapsed_ms < moment.elapsed_ms || self.moments.is_empty() {
            self.moments.push(moment);
            thin(&mut self.moments);
        }
    }
}

/// Drops every second point, never the last, until there are few enough.
fn thin(moments: &mut Vec<Moment>) {
    while moments.len() > MOMENTS_MAX {
        let last = moments.len() - 1;
        let mut index = 0;
        moments.retain(|_| {
            index += 1;
            (last - (index - 1)).is_multiple_of(2)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> LanePresentation {
        LanePresentation {
            strategy: StrategyKey::RowLock,
            stock: 20,
            moments: Vec::new(),
            verdict: None,
        }
    }

    fn moment(elapsed_ms: u64, sold: i64) -> Moment {
        Moment {
            elapsed_ms,
            sold,
            ..Moment::default()
        }
    }

    #[test]
    fn a_curve_never_grows_beyond_its_limit_and_keeps_its_last_point() {
        let mut lane = lane();
        for elapsed_ms in 1..=2_000 {
            lane.push(moment(elapsed_ms, 0));
            assert!(lane.moments.len() <= MOMENTS_MAX);
            assert_eq!(lane.last().elapsed_ms, elapsed_ms);
        }
        assert!(lane.moments.is_sorted_by_key(|moment| moment.elapsed_ms));
        // What a stream tells twice is one point.
        let before = lane.moments.len();
        lane.push(moment(2_000, 5));
        assert_eq!(lane.moments.len(), before);
    }

    #[test]
    fn what_is_oversold_is_seen_before_the_verdict_and_undersold_after_all_of_them() {
        let mut presentation = Presentation {
            id: String::new(),
            state: RunState::Running,
            buyers: 33,
            attempts: 66,
            product_name: None,
            lanes: vec![lane(), lane()],
        };
        presentation.take_in(&Moments(vec![Some(moment(10, 23)), None]));
        assert_eq!(
            (presentation.oversold(), presentation.undersold()),
            (3, None)
        );
        presentation.lanes[0].verdict = Some((4, 0));
        assert_eq!(
            (presentation.oversold(), presentation.undersold()),
            (4, None)
        );
        presentation.lanes[1].verdict = Some((0, 2));
        assert_eq!(
            (presentation.oversold(), presentation.undersold()),
            (4, Some(2))
        );
        assert_eq!(presentation.latest().0[1], None);
    }
}

//! The public view of a run for an audience: less data than the administrator's page, small enough
//! for a room full of phones.

use serde::{Deserialize, Serialize};

use super::{
    LaneSnapshot, RunSnapshot, RunState, Sample, StrategyKey,
    plan::Writers,
    snapshot::{lane_name, lost_updates},
};

/// The maximum points of a curve. If it has more, every second point is dropped.
pub const MOMENTS_MAX: usize = 240;

/// A run, as the audience sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presentation {
    pub id: String,
    /// See [`RunSnapshot::name`].
    #[serde(default)]
    pub name: String,
    pub state: RunState,
    /// Buyers of each lane.
    pub buyers: u32,
    /// Attempts over all lanes.
    pub attempts: u64,
    /// The shop product for sale; `None` for private lanes.
    pub product_name: Option<String>,
    pub lanes: Vec<LanePresentation>,
}

/// One lane of a presented run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LanePresentation {
    pub strategy: StrategyKey,
    /// See [`LaneSnapshot::writers`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writers: Option<Writers>,
    /// Units at the start.
    pub stock: i64,
    pub moments: Vec<Moment>,
    /// `(oversold, undersold)`, once the lane has a verdict.
    pub verdict: Option<(i64, i64)>,
}

/// A lane's figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Moment {
    /// Since the lane's first buyer started.
    pub elapsed_ms: u64,
    /// Available units.
    pub remaining: i64,
    /// Units sold, as counted by the buyers; from the order lines once the lane has a verdict.
    pub sold: i64,
    /// Rejected and failed attempts.
    pub unsuccessful: u64,
}

/// The latest moment of each lane; `None` for a lane that has not started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments(pub Vec<Option<Moment>>);

impl Presentation {
    /// Creates the public view of `run`.
    pub fn of(run: &RunSnapshot) -> Self {
        let each = run.plan.quantities.max().get();
        let lanes = run.lanes.iter();
        Self {
            id: run.id.clone(),
            name: run.name.clone(),
            state: run.state,
            buyers: run.plan.buyers,
            attempts: run.plan.total_attempts(),
            product_name: run.plan.product_id.and_then(|_| {
                let lane = run.lanes.first()?;
                Some(lane.product_name.clone())
            }),
            lanes: lanes.map(|lane| LanePresentation::of(lane, each)).collect(),
        }
    }

    /// The latest moment of each lane.
    pub fn latest(&self) -> Moments {
        let lanes = self.lanes.iter();
        Moments(lanes.map(|lane| lane.moments.last().copied()).collect())
    }

    /// Appends newer moments to the lanes.
    pub fn append(&mut self, moments: &Moments) {
        for (lane, moment) in self.lanes.iter_mut().zip(&moments.0) {
            if let Some(moment) = moment {
                lane.push(*moment);
            }
        }
    }

    /// Oversold units over all lanes: as counted by the buyers, or by the database for lanes with a
    /// verdict.
    pub fn oversold(&self) -> i64 {
        self.lanes.iter().map(LanePresentation::oversold).sum()
    }

    /// Undersold units over all lanes; `None` until all lanes have a verdict.
    pub fn undersold(&self) -> Option<i64> {
        let lanes = self.lanes.iter();
        lanes
            .map(|lane| lane.verdict.map(|(_, undersold)| undersold))
            .sum()
    }

    /// Lost updates so far, over all lanes.
    pub fn lost_updates(&self) -> i64 {
        self.lanes.iter().map(LanePresentation::lost_updates).sum()
    }

    /// Rejected and failed attempts over all lanes.
    pub fn unsuccessful(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.last().unsuccessful).sum()
    }
}

impl LanePresentation {
    fn of(lane: &LaneSnapshot, each: u32) -> Self {
        let moment = |sample: &Sample| Moment {
            elapsed_ms: sample.elapsed_ms,
            remaining: sample.remaining,
            sold: i64::try_from(sample.units_sold(each)).unwrap_or(i64::MAX),
            unsuccessful: sample.unsuccessful(),
        };
        let mut moments: Vec<Moment> = lane.samples.iter().map(moment).collect();
        if let (Some(last), Some(verdict)) = (moments.last_mut(), &lane.verdict) {
            last.sold = verdict.sold;
        }
        thin(&mut moments);
        Self {
            strategy: lane.strategy,
            writers: lane.writers,
            stock: lane.stock,
            moments,
            verdict: lane
                .verdict
                .as_ref()
                .and_then(|verdict| Some((verdict.oversold, verdict.known_undersold()?))),
        }
    }

    /// See [`LaneSnapshot::name`].
    pub fn name(&self) -> String {
        lane_name(self.strategy, self.writers)
    }

    /// The latest moment, or an initial one.
    pub fn last(&self) -> Moment {
        self.moments.last().copied().unwrap_or(Moment {
            remaining: self.stock,
            ..Moment::default()
        })
    }

    /// Oversold units.
    pub fn oversold(&self) -> i64 {
        match self.verdict {
            Some((oversold, _)) => oversold,
            None => (self.last().sold - self.stock).max(0),
        }
    }

    /// Units that were sold although the counter did not fall, so far; see
    /// [`LaneSnapshot::lost_updates`].
    pub fn lost_updates(&self) -> i64 {
        let last = self.last();
        let has_verdict = self.verdict.is_some();
        lost_updates(
            self.strategy,
            has_verdict,
            self.stock,
            (last.sold, last.remaining),
        )
    }

    fn push(&mut self, moment: Moment) {
        if self.last().elapsed_ms < moment.elapsed_ms || self.moments.is_empty() {
            self.moments.push(moment);
            thin(&mut self.moments);
        }
    }
}

/// Drops every second point, never the last, until the curve is within its limit.
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
            writers: None,
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
        // A moment that is sent twice is one point.
        let before = lane.moments.len();
        lane.push(moment(2_000, 5));
        assert_eq!(lane.moments.len(), before);
    }

    #[test]
    fn oversold_units_show_before_the_verdict_and_undersold_units_after_all_verdicts() {
        let mut presentation = Presentation {
            id: String::new(),
            name: String::new(),
            state: RunState::Running,
            buyers: 33,
            attempts: 66,
            product_name: None,
            lanes: vec![lane(), lane()],
        };
        presentation.append(&Moments(vec![Some(moment(10, 23)), None]));
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

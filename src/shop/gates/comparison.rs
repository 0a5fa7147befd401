//! Compares a gate with its stock row.

use std::fmt;

use crate::shop::inventory::{
    counters::Level,
    gate::{GateState, LevelWrite},
};

/// How a gate differs from its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It was written at another start of Redis: no purchase uses it.
    NotCurrent,
    /// It knows a level that the row never had.
    NeverInRow,
    /// It would let through more units than the row and its leases have: the row would refuse them.
    AboveRow,
    /// It would let through fewer units than the row has: buyers ask the row.
    BelowRow,
    /// Its counter is not the sum of its leases.
    LeasesDiffer,
}

impl Difference {
    /// Compares a gate with its row, which was read after it.
    fn between(gate: &GateState, row: Level) -> Option<Self> {
        let is_same_version = gate.level.version == row.version;
        if !gate.is_current {
            Some(Self::NotCurrent)
        } else if gate.level.version > row.version || (is_same_version && gate.level != row) {
            Some(Self::NeverInRow)
        } else if gate.left() > row.available {
            Some(Self::AboveRow)
        } else if gate.left() + gate.active < row.available {
            Some(Self::BelowRow)
        } else if !gate.adds_up {
            Some(Self::LeasesDiffer)
        } else {
            None
        }
    }

    /// How the row has to be written to the gate.
    pub(super) fn level_write(self) -> LevelWrite {
        match self {
            Self::AboveRow | Self::BelowRow => LevelWrite::IfNewer,
            Self::NotCurrent | Self::NeverInRow | Self::LeasesDiffer => LevelWrite::Always,
        }
    }

    /// The difference in a few words.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::NotCurrent => "from before a restart",
            Self::NeverInRow => "never in the row",
            Self::AboveRow => "above the row",
            Self::BelowRow => "below the row",
            Self::LeasesDiffer => "leases differ",
        }
    }
}

/// A gate beside its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateReport {
    pub product_id: i64,
    pub product_name: String,
    pub gate: GateState,
    /// `None` if the product no longer exists.
    pub row: Option<Level>,
    pub difference: Option<Difference>,
}

impl GateReport {
    pub(super) fn of(
        product_id: i64,
        product_name: String,
        gate: GateState,
        row: Option<Level>,
    ) -> Self {
        Self {
            product_id,
            product_name,
            gate,
            row,
            difference: row.and_then(|row| Difference::between(&gate, row)),
        }
    }

    /// True if the gate would let through units that neither the row nor a lease has.
    pub fn is_violation(&self) -> bool {
        matches!(
            self.difference,
            Some(Difference::NeverInRow | Difference::AboveRow)
        )
    }
}

impl fmt::Display for GateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gate, .. } = self;
        write!(
            f,
            "product {}: the gate has {} at version {}, minus {} in {} leases",
            self.product_id, gate.level.available, gate.level.version, gate.active, gate.leases
        )?;
        match self.row {
            Some(row) => write!(
                f,
                "; the row has {} at version {}",
                row.available, row.version
            )?,
            None => write!(f, "; the product no longer exists")?,
        }
        match self.difference {
            Some(difference) => write!(f, " ({})", difference.in_words()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(available: i64, version: i64) -> Level {
        Level { available, version }
    }

    /// A current gate with one lease of `leased` units.
    fn gate(available: i64, version: i64, leased: i64) -> GateState {
        GateState {
            is_current: true,
            level: level(available, version),
            leased,
            active: leased,
            leases: i64::from(leased > 0),
            adds_up: true,
        }
    }

    fn between(gate: GateState, row: Level) -> Option<Difference> {
        Difference::between(&gate, row)
    }

    #[test]
    fn a_gate_with_the_level_of_its_row_does_not_differ() {
        assert_eq!(between(gate(5, 3, 0), level(5, 3)), None);
        assert_eq!(between(gate(5, 3, 2), level(5, 3)), None);
        // A purchase of two units is committed and has not confirmed yet.
        assert_eq!(between(gate(5, 3, 2), level(3, 4)), None);
    }

    #[test]
    fn a_gate_that_differs_is_found() {
        // Another strategy sold three units.
        let above = between(gate(5, 3, 0), level(2, 4));
        assert_eq!(above, Some(Difference::AboveRow));
        // Three units were delivered.
        let below = between(gate(5, 3, 0), level(8, 4));
        assert_eq!(below, Some(Difference::BelowRow));
        // The database was restored, or a hand changed a number.
        for row in [level(5, 2), level(4, 3)] {
            let found = between(gate(5, 3, 0), row);
            assert_eq!(found, Some(Difference::NeverInRow), "{row:?}");
        }
        let other_start = GateState {
            is_current: false,
            ..gate(9, 9, 0)
        };
        let found = between(other_start, level(1, 1));
        assert_eq!(found, Some(Difference::NotCurrent));
        let miscounted = GateState {
            adds_up: false,
            leased: 4,
            ..gate(5, 3, 2)
        };
        let found = between(miscounted, level(5, 3));
        assert_eq!(found, Some(Difference::LeasesDiffer));
    }

    #[test]
    fn only_a_gate_that_would_let_too_many_through_violates_the_rule() {
        let report = |gate, row| GateReport::of(7, String::new(), gate, Some(row));
        assert!(report(gate(5, 3, 0), level(2, 4)).is_violation());
        assert!(!report(gate(5, 3, 0), level(8, 4)).is_violation());
        assert!(!report(gate(5, 3, 2), level(3, 4)).is_violation());
        assert_eq!(
            report(gate(5, 3, 2), level(0, 9)).to_string(),
            "product 7: the gate has 5 at version 3, minus 2 in 1 leases; the row has 0 at version 9 \
             (above the row)"
        );
    }
}

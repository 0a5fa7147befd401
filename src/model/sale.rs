//! The sale of a product: when it is open, and what state it is in.

use serde::{Deserialize, Serialize};

/// When a product is sold. Times are Unix milliseconds by the database's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SalePlan {
    /// `None`: the product has always been on sale.
    pub starts_at_ms: Option<i64>,
    /// The first moment at which it is no longer sold. `None`: the sale does not end.
    pub ends_at_ms: Option<i64>,
}

/// The state of a sale at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaleState {
    /// The sale has not started.
    Announced,
    /// The product can be bought now.
    Open,
    /// Every unit that is left is reserved; some may come back.
    ReservedOut,
    /// Every unit is sold.
    SoldOut,
    /// The sale has ended.
    Ended,
}

impl SaleState {
    /// The name in data, for example `reserved-out`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Open => "open",
            Self::ReservedOut => "reserved-out",
            Self::SoldOut => "sold-out",
            Self::Ended => "ended",
        }
    }

    /// True if the product can be bought now.
    pub const fn is_for_sale(self) -> bool {
        matches!(self, Self::Open)
    }

    /// True from the start to the end, whatever the stock is.
    pub const fn is_on_sale(self) -> bool {
        !matches!(self, Self::Announced | Self::Ended)
    }
}

/// The stock of a product, in units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockCounts {
    /// Negative only on an oversold lane of an unsafe strategy.
    pub available: i64,
    pub reserved: i64,
    pub sold: i64,
    /// Units ever added to stock.
    pub total: i64,
}

/// A sale whose last unit is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SellOut {
    /// Units sold in this sale, without those that came back.
    pub units: i64,
    /// From the start of the sale, or from the first unit sold if the sale has no start, to the
    /// last unit sold, in milliseconds.
    pub took_ms: i64,
}

impl SalePlan {
    /// The state at `now_ms`, by the database's clock, with this stock. After its end a
    /// sale has ended whatever the stock is, and before its start no stock can be bought.
    pub fn state_at(self, now_ms: i64, stock: StockCounts) -> SaleState {
        if self.has_ended_at(now_ms) {
            SaleState::Ended
        } else if !self.has_started_at(now_ms) {
            SaleState::Announced
        } else if stock.available > 0 {
            SaleState::Open
        } else if stock.reserved > 0 {
            SaleState::ReservedOut
        } else {
            SaleState::SoldOut
        }
    }

    /// True from the start on.
    pub fn has_started_at(self, now_ms: i64) -> bool {
        self.starts_at_ms.is_none_or(|start| now_ms >= start)
    }

    /// True from the end on.
    pub fn has_ended_at(self, now_ms: i64) -> bool {
        self.ends_at_ms.is_some_and(|end| now_ms >= end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IN_STOCK: StockCounts = StockCounts {
        available: 3,
        reserved: 1,
        sold: 1,
        total: 5,
    };

    fn counts(available: i64, reserved: i64) -> StockCounts {
        StockCounts {
            available,
            reserved,
            sold: 5 - available - reserved,
            total: 5,
        }
    }

    #[test]
    fn a_sale_opens_at_its_start_and_is_over_at_its_end() {
        let plan = SalePlan {
            starts_at_ms: Some(1_000),
            ends_at_ms: Some(2_000),
        };
        for (now_ms, expected) in [
            (i64::MIN, SaleState::Announced),
            (999, SaleState::Announced),
            (1_000, SaleState::Open),
            (1_999, SaleState::Open),
            (2_000, SaleState::Ended),
            (i64::MAX, SaleState::Ended),
        ] {
            let state = plan.state_at(now_ms, IN_STOCK);
            assert_eq!(state, expected, "{now_ms}");
            assert_eq!(state.is_on_sale(), expected == SaleState::Open);
        }
    }

    #[test]
    fn without_times_only_the_stock_decides() {
        for (stock, expected) in [
            (counts(1, 0), SaleState::Open),
            (counts(1, 4), SaleState::Open),
            (counts(0, 1), SaleState::ReservedOut),
            (counts(0, 0), SaleState::SoldOut),
            // An oversold lane.
            (counts(-2, 0), SaleState::SoldOut),
            (counts(-2, 1), SaleState::ReservedOut),
            (StockCounts::default(), SaleState::SoldOut),
        ] {
            let state = SalePlan::default().state_at(0, stock);
            assert_eq!(state, expected, "{stock:?}");
            assert_eq!(state.is_for_sale(), expected == SaleState::Open);
            assert!(state.is_on_sale(), "{stock:?}");
        }
    }

    #[test]
    fn time_comes_before_stock_and_the_end_before_the_start() {
        let plan = |starts_at_ms, ends_at_ms| SalePlan {
            starts_at_ms,
            ends_at_ms,
        };
        for stock in [counts(0, 0), counts(0, 2), IN_STOCK] {
            let announced = plan(Some(10), None).state_at(9, stock);
            assert_eq!(announced, SaleState::Announced);
            assert_eq!(plan(None, Some(5)).state_at(5, stock), SaleState::Ended);
            // A sale that was ended before it started.
            assert_eq!(plan(Some(10), Some(5)).state_at(7, stock), SaleState::Ended);
        }
    }
}

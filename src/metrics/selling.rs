//! Attempts to buy, to reserve and to pay: how many succeed, why the others are refused, how long
//! they take.

use std::time::Instant;

use opentelemetry::trace::TraceId;

use super::{Counter, Histogram, HistogramSnapshot, position_of};
use crate::model::{ShopError, StrategyKey};

/// What a shopper does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Journey {
    /// An express purchase, in one call.
    Express,
    /// Entering the checkout, which reserves the cart.
    Reserve,
    /// Ordering and paying for a reserved cart.
    Pay,
}

impl Journey {
    pub const ALL: [Self; 3] = [Self::Express, Self::Reserve, Self::Pay];

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Express => "express",
            Self::Reserve => "reserve",
            Self::Pay => "pay",
        }
    }
}

/// Why an attempt was refused, as a label. The last one is the label of all others.
pub const REFUSALS: [&str; 15] = [
    SOLD_OUT,
    "sale_closed",
    "customer_limit",
    "hold_limit",
    "cart_changed",
    "discount_code",
    "card_declined",
    "unknown_product",
    "key_reused",
    "provider_unavailable",
    "busy",
    "unavailable",
    "outcome_unknown",
    "internal",
    "other",
];

const SOLD_OUT: &str = "sold_out";

/// The reasons that are failures of the shop; the others are its rules, and normal.
pub const FAILURES: [&str; 5] = [
    "provider_unavailable",
    "busy",
    "unavailable",
    "outcome_unknown",
    "internal",
];

/// Returns the label of an error.
pub const fn refusal(error: &ShopError) -> &'static str {
    match error {
        ShopError::InsufficientStock { .. } => SOLD_OUT,
        ShopError::SaleNotStarted { .. } | ShopError::SaleEnded { .. } => "sale_closed",
        ShopError::OverCustomerLimit { .. }
        | ShopError::TooManyInCart(_)
        | ShopError::OverLimitWithOtherCart { .. }
        | ShopError::LimitedPerCustomer { .. } => "customer_limit",
        ShopError::OverHoldLimit { .. }
        | ShopError::OverAddressHoldLimit { .. }
        | ShopError::HoldsPaused { .. }
        | ShopError::AddressHoldsPaused { .. } => "hold_limit",
        ShopError::CartEmpty
        | ShopError::ItemsChanged
        | ShopError::TotalChanged { .. }
        | ShopError::ReservationExpired => "cart_changed",
        ShopError::CodeUnknown(_)
        | ShopError::CodeNotActive(_)
        | ShopError::CodeBelowMinimum { .. }
        | ShopError::CodeUsedUp(_)
        | ShopError::CodeOverCustomerLimit { .. } => "discount_code",
        ShopError::CardDeclined { .. } => "card_declined",
        ShopError::UnknownProduct => "unknown_product",
        ShopError::IdempotencyKeyReused | ShopError::FormSentBefore => "key_reused",
        ShopError::ProviderUnavailable { .. } => "provider_unavailable",
        ShopError::QueueFull { .. } | ShopError::Busy { .. } | ShopError::NetworkBusy { .. } => {
            "busy"
        }
        ShopError::Unavailable { .. } => "unavailable",
        ShopError::OutcomeUnknown { .. } => "outcome_unknown",
        ShopError::Internal { .. } => "internal",
        _ => "other",
    }
}

/// The answers of the sold-out cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheAnswer {
    /// It knows of no refusal: the buyer asks the row.
    Miss,
    /// It refused the buyer from memory.
    Hit,
    /// The buyer asks the row on behalf of all.
    Refresh,
    /// The buyer waits for the one who asks.
    Wait,
}

impl CacheAnswer {
    pub const ALL: [Self; 4] = [Self::Miss, Self::Hit, Self::Refresh, Self::Wait];

    /// The label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Hit => "hit",
            Self::Refresh => "refresh",
            Self::Wait => "wait",
        }
    }
}

/// The sales of one server process. What simulated buyers do on private products is not counted.
#[derive(Debug, Default)]
pub struct SellingMetrics {
    journeys: [JourneyMetrics; Journey::ALL.len()],
    cache: [Counter; CacheAnswer::ALL.len()],
    fallbacks: [Counter; StrategyKey::ALL.len()],
    /// Expired holds that this process has released.
    pub holds_swept: Counter,
}

/// One journey.
#[derive(Debug, Default)]
pub struct JourneyMetrics {
    /// Attempts that began; a client that leaves ends none.
    pub attempts: Counter,
    pub successes: Counter,
    refusals: [Counter; REFUSALS.len()],
    pub duration: Histogram,
}

impl JourneyMetrics {
    /// Returns the reasons of refusals, with their numbers.
    pub fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = REFUSALS.iter().zip(&self.refusals);
        let counted = counted.map(|(reason, count)| (*reason, count.get()));
        counted.filter(|(_, count)| *count > 0)
    }
}

impl SellingMetrics {
    /// Counts an attempt that begins now.
    pub fn attempt(&self, journey: Journey) -> Instant {
        self.of(journey).attempts.increment();
        Instant::now()
    }

    /// Counts its end: a success, or the reason of its refusal. `trace` is that of its request, if
    /// it is being recorded.
    pub fn end(
        &self,
        journey: Journey,
        begun: Instant,
        result: Result<(), &'static str>,
        trace: Option<TraceId>,
    ) {
        let journey = self.of(journey);
        journey.duration.observe(begun.elapsed(), trace);
        match result {
            Ok(()) => journey.successes.increment(),
            Err(reason) => journey.refusals[position_of(&REFUSALS, reason)].increment(),
        }
    }

    /// Counts an answer of the sold-out cache.
    pub fn cache_answered(&self, answer: CacheAnswer) {
        self.cache[answer as usize].increment();
    }

    /// Counts a purchase for which the row took over from `strategy`.
    pub fn fell_back(&self, strategy: StrategyKey) {
        self.fallbacks[strategy as usize].increment();
    }

    /// Returns a journey.
    pub fn of(&self, journey: Journey) -> &JourneyMetrics {
        &self.journeys[journey as usize]
    }

    /// Returns the answers of the sold-out cache, with their numbers.
    pub fn cache_answers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let answers = CacheAnswer::ALL.iter().zip(&self.cache);
        answers.map(|(answer, count)| (answer.label(), count.get()))
    }

    /// Returns the strategies for which the row took over, with the numbers of purchases.
    pub fn fallbacks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let strategies = StrategyKey::ALL.iter().zip(&self.fallbacks);
        let counted = strategies.map(|(strategy, count)| (strategy.as_str(), count.get()));
        counted.filter(|(_, count)| *count > 0)
    }

    /// Returns the successes of all journeys.
    pub fn successes(&self) -> u64 {
        let journeys = self.journeys.iter();
        journeys.map(|journey| journey.successes.get()).sum()
    }

    /// Returns the refusals of all journeys: by rules of the shop, and its failures.
    pub fn refusals_and_failures(&self) -> (u64, u64) {
        let all = self.journeys.iter().flat_map(JourneyMetrics::refusals);
        all.fold((0, 0), |(refused, failed), (reason, count)| {
            if FAILURES.contains(&reason) {
                (refused, failed + count)
            } else {
                (refused + count, failed)
            }
        })
    }

    /// Returns the durations of all journeys.
    pub fn durations(&self) -> HistogramSnapshot {
        let journeys = self.journeys.iter();
        journeys.fold(HistogramSnapshot::default(), |all, journey| {
            all.and(&journey.duration.snapshot())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_successes_refusals_and_failures() {
        let metrics = SellingMetrics::default();
        let busy = ShopError::Busy { retry_after_s: 1 };
        for (journey, result) in [
            (Journey::Express, Ok(())),
            (Journey::Express, Err(refusal(&busy))),
            (Journey::Pay, Err(refusal(&ShopError::CartEmpty))),
            (Journey::Pay, Err("a label that is not listed")),
        ] {
            let begun = metrics.attempt(journey);
            metrics.end(journey, begun, result, None);
        }
        assert_eq!(metrics.successes(), 1);
        assert_eq!(metrics.refusals_and_failures(), (2, 1));
        assert_eq!(metrics.durations().count(), 4);
        let reasons: Vec<_> = metrics.of(Journey::Pay).refusals().collect();
        assert_eq!(reasons, [("cart_changed", 1), ("other", 1)]);
        assert_eq!(metrics.of(Journey::Reserve).attempts.get(), 0);
    }

    #[test]
    fn every_failure_is_a_reason() {
        for failure in FAILURES {
            assert!(REFUSALS.contains(&failure), "{failure}");
        }
    }

    #[test]
    fn each_enumeration_is_in_the_order_of_its_list() {
        for (position, journey) in Journey::ALL.into_iter().enumerate() {
            assert_eq!(journey as usize, position);
        }
        for (position, answer) in CacheAnswer::ALL.into_iter().enumerate() {
            assert_eq!(answer as usize, position);
        }
        for (position, strategy) in StrategyKey::ALL.into_iter().enumerate() {
            assert_eq!(strategy as usize, position);
        }
    }
}

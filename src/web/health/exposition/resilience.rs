//! The breakers, the limit of requests at once, and the budget of retries.

use std::fmt;

use super::{Metrics, NO_LABELS, Writer, count};
use crate::resilience::{Breaker, breaker::State};

impl Metrics {
    fn breakers(&self) -> impl Iterator<Item = ([(&'static str, &'static str); 1], &Breaker)> {
        let shop = &self.0.shop;
        let breakers = [
            ("database", shop.db().guard().breaker()),
            ("provider", shop.provider_breaker()),
            ("redis", shop.gate().map(|gate| gate.redis().breaker())),
        ];
        let breakers = breakers.into_iter();
        breakers.filter_map(|(name, breaker)| Some(([("breaker", name)], breaker?)))
    }

    /// Writes what protects the server and its services.
    pub(super) fn write_resilience(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.gauges(
            "doorbuster_breaker_state",
            "1 for the state of the breaker around a service, 0 for its other states",
            self.breakers().flat_map(|([label], breaker)| {
                let current = breaker.state();
                State::ALL.map(move |state| {
                    let labels = [label, ("state", state.label())];
                    (labels, f64::from(u8::from(state == current)))
                })
            }),
        )?;
        writer.counters(
            "doorbuster_breaker_openings",
            "How often a breaker opened, because its service failed repeatedly",
            self.breakers()
                .map(|(label, breaker)| (label, breaker.openings())),
        )?;
        writer.counters(
            "doorbuster_breaker_refusals",
            "Calls that a breaker refused while its service was away",
            self.breakers()
                .map(|(label, breaker)| (label, breaker.refusals())),
        )?;
        let retries = || self.0.shop.db().guard().retries().into_iter();
        writer.gauges(
            "doorbuster_retry_budget_tokens",
            "Retries of slow attempts that transactions may make at the moment",
            retries().map(|budget| (NO_LABELS, f64::from(budget.tokens()))),
        )?;
        writer.counters(
            "doorbuster_retry_budget_refusals",
            "Retries of slow attempts that the budget refused",
            retries().map(|budget| (NO_LABELS, budget.refusals())),
        )?;
        let admission = &self.0.admission;
        writer.gauges(
            "doorbuster_admission_limit",
            "Requests that this server admits at once, adapted to their latency",
            [(NO_LABELS, count(admission.limit()))],
        )?;
        writer.gauges(
            "doorbuster_admission_in_flight",
            "Admitted requests in progress, by class",
            admission
                .in_flight()
                .map(|(class, count)| ([("class", class.label())], f64::from(count))),
        )?;
        writer.counters(
            "doorbuster_admission_refusals",
            "Requests that were refused because the server was full, by class",
            admission
                .refusals()
                .map(|(class, count)| ([("class", class.label())], count)),
        )
    }
}

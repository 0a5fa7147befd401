//! The breakers, the limits of requests at once, and the budget of retries.

use std::{fmt, iter::Sum};

use super::{Metrics, NO_LABELS, Writer, count};
use crate::{
    resilience::{Breaker, Class, ConcurrencyLimiter, breaker::State},
    web::health::protection,
};

impl Metrics {
    fn breakers(&self) -> impl Iterator<Item = ([(&'static str, &'static str); 1], &Breaker)> {
        let breakers = protection::breakers(&self.state.shop);
        breakers.map(|(name, breaker)| ([("breaker", name)], breaker))
    }

    /// Writes what protects the server and its services.
    pub(super) fn write_resilience(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
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
            "Calls that a breaker refused while its service was unavailable",
            self.breakers()
                .map(|(label, breaker)| (label, breaker.refusals())),
        )?;
        let retries = || self.state.shop.db().guard().retries().into_iter();
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
        self.write_admission(writer)
    }

    fn write_admission(&self, writer: &mut Writer<'_, '_>) -> fmt::Result {
        writer.gauges(
            "doorbuster_admission_limit",
            "Requests that this server admits at once, adapted to their latency; without payments and operators",
            [(NO_LABELS, count(self.state.admission.requests.limit()))],
        )?;
        let in_flight = self.by_class(ConcurrencyLimiter::in_flight);
        writer.gauges(
            "doorbuster_admission_in_flight",
            "Admitted requests in progress, by class",
            in_flight
                .into_iter()
                .map(|(label, count)| (label, f64::from(count))),
        )?;
        writer.counters(
            "doorbuster_admission_refusals",
            "Requests that were refused because the server was full, by class",
            self.by_class(ConcurrencyLimiter::refusals),
        )?;
        writer.counters(
            "doorbuster_admission_network_refusals",
            "Requests that were refused because their client network had its share of the places, by class",
            self.by_class(ConcurrencyLimiter::network_refusals),
        )
    }

    /// Returns a figure of each limiter: that of requests by class, those of the others as a class
    /// of their own.
    fn by_class<'a, N, I>(
        &'a self,
        figure: impl Fn(&'a ConcurrencyLimiter) -> I,
    ) -> Vec<([(&'static str, &'static str); 1], N)>
    where
        N: Sum,
        I: Iterator<Item = (Class, N)>,
    {
        let limits = &self.state.admission;
        let requests = figure(&limits.requests).map(|(class, number)| (class.label(), number));
        let others = [
            ("payments", &limits.payments),
            ("operators", &limits.operators),
        ];
        let others = others.into_iter().map(|(label, limiter)| {
            let numbers = figure(limiter).map(|(_, number)| number);
            (label, numbers.sum::<N>())
        });
        let all = requests.chain(others);
        all.map(|(label, number)| ([("class", label)], number))
            .collect()
    }
}

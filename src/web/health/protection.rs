//! What protects the server and its services: the breakers, the limits of requests at once, and the
//! budget of retries.

use crate::{
    resilience::{Breaker, Class, RetryBudget, breaker::State},
    shop::Shop,
    web::AppState,
};

/// Their numbers at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Protection {
    /// Breakers that are not closed.
    pub breakers_not_closed: u64,
    pub breaker_openings: u64,
    /// Requests that were refused because the server was full.
    pub requests_refused: u64,
    /// Those of shoppers who pay.
    pub paying_refused: u64,
    pub retries_refused: u64,
}

impl Protection {
    /// Reads the numbers of a server now.
    pub fn now(state: &AppState) -> Self {
        let not_closed = breakers(&state.shop).filter(|(_, one)| one.state() != State::Closed);
        let limits = &state.admission;
        let limiters = [&limits.requests, &limits.payments, &limits.operators];
        let refused = limiters.into_iter().flat_map(|one| one.refusals());
        let requests = limits.requests.refusals();
        let paying = requests.filter(|(class, _)| *class == Class::Paying);
        let paying = paying.chain(limits.payments.refusals());
        let retries = state.shop.db().guard().retries();
        Self {
            breakers_not_closed: not_closed.count() as u64,
            breaker_openings: breakers(&state.shop).map(|(_, one)| one.openings()).sum(),
            requests_refused: refused.map(|(_, count)| count).sum(),
            paying_refused: paying.map(|(_, count)| count).sum(),
            retries_refused: retries.map_or(0, RetryBudget::refusals),
        }
    }
}

/// Returns the breakers of a server, each with the name of its service.
pub fn breakers(shop: &Shop) -> impl Iterator<Item = (&'static str, &Breaker)> {
    let breakers = [
        ("database", shop.db().guard().breaker()),
        ("provider", shop.provider_breaker()),
        ("redis", shop.gate().map(|gate| gate.redis().breaker())),
    ];
    let breakers = breakers.into_iter();
    breakers.filter_map(|(name, breaker)| Some((name, breaker?)))
}

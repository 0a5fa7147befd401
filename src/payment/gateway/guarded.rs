//! A gateway behind a breaker: while the provider is unavailable, calls are refused at once, and
//! nothing is charged.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Charge, ChargeReport, GatewayError, PaymentGateway, RefundRequest, RefundState};
use crate::resilience::{Breaker, Change, Thresholds, breaker::Pass};

/// See the module's documentation. A refused call is [`GatewayError::NotSent`], which is true: the
/// provider does not receive it.
#[derive(Debug)]
pub struct GuardedGateway {
    gateway: Arc<dyn PaymentGateway>,
    breaker: Arc<Breaker>,
}

impl GuardedGateway {
    /// Puts a breaker in front of `gateway`.
    pub fn new(gateway: Arc<dyn PaymentGateway>) -> Self {
        Self {
            gateway,
            breaker: Arc::new(Breaker::new(Thresholds::SERVICE)),
        }
    }

    /// Lets a call pass. While the breaker is half-open, one call first asks for a charge that does
    /// not exist, as the probe: no card waits for the answer. The probe goes on after its caller
    /// was refused: a provider that answers later is there, too.
    async fn admit(&self) -> Result<Pass, GatewayError> {
        let pass = self.pass()?;
        if !pass.is_probe() {
            return Ok(pass);
        }
        let (gateway, breaker) = (Arc::clone(&self.gateway), Arc::clone(&self.breaker));
        let probe = tokio::spawn(async move {
            let answer = gateway.charge_state(Uuid::nil()).await;
            note(if is_answer(&answer) {
                breaker.probe_answered()
            } else {
                breaker.fail(pass, Instant::now())
            });
        });
        let probe_max = self.breaker.thresholds().probe_max;
        if timeout(probe_max, probe).await.is_err() {
            note(self.breaker.fail(pass, Instant::now()));
        }
        self.pass()
    }

    fn pass(&self) -> Result<Pass, GatewayError> {
        let pass = self.breaker.admit(Instant::now());
        pass.map_err(|_| refused_by_breaker())
    }

    /// Reports the end of a call to the breaker.
    fn ended<T>(&self, pass: Pass, result: Result<T, GatewayError>) -> Result<T, GatewayError> {
        note(if is_answer(&result) {
            self.breaker.succeed(pass)
        } else {
            self.breaker.fail(pass, Instant::now())
        });
        result
    }
}

fn note(change: Change) {
    match change {
        Change::None => {}
        Change::Opened => tracing::error!(
            "the payment provider does not answer: payments are refused until a probe is answered"
        ),
        Change::Closed => tracing::info!("the payment provider answers again"),
    }
}

/// A rejected request was answered.
fn is_answer<T>(result: &Result<T, GatewayError>) -> bool {
    matches!(result, Ok(_) | Err(GatewayError::Refused(_)))
}

fn refused_by_breaker() -> GatewayError {
    GatewayError::NotSent(
        "it did not answer a moment ago, and gets no request until a probe is answered".to_owned(),
    )
}

#[async_trait]
impl PaymentGateway for GuardedGateway {
    async fn charge(&self, charge: &Charge) -> Result<ChargeReport, GatewayError> {
        let pass = self.admit().await?;
        self.ended(pass, self.gateway.charge(charge).await)
    }

    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeReport>, GatewayError> {
        let pass = self.admit().await?;
        self.ended(pass, self.gateway.charge_state(reference).await)
    }

    async fn void(&self, reference: Uuid) -> Result<ChargeReport, GatewayError> {
        let pass = self.admit().await?;
        self.ended(pass, self.gateway.void(reference).await)
    }

    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError> {
        let pass = self.admit().await?;
        self.ended(pass, self.gateway.refund(refund).await)
    }

    async fn check(&self) -> Result<(), GatewayError> {
        self.admit().await.map(drop)
    }

    fn breaker(&self) -> Option<&Breaker> {
        Some(&self.breaker)
    }
}

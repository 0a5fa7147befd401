//! What the shop asks of a payment provider. Every call may lose its answer, so each is named by a reference of the caller's choosing:
//! the same reference is never carried out twice, and can be asked about.

mod http;

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use crate::model::{Money, PaymentCard};

pub use http::{GatewayAddress, HttpGateway};

/// A payment provider, as the shop sees it.
#[async_trait]
pub trait PaymentGateway: Send + Sync + fmt::Debug {
    /// Authorises and captures in one call. The same reference again tells how the first call went.
    ///
    /// # Errors
    /// [`GatewayError::NotSent`] if nothing can have happened; [`GatewayError::Unknown`] if it may have.
    async fn charge(&self, charge: &Charge) -> Result<ChargeState, GatewayError>;

    /// How a charge stands; `None` if the provider never heard of it.
    ///
    /// # Errors
    /// As [`PaymentGateway::charge`].
    async fn charge_state(&self, reference: Uuid) -> Result<Option<ChargeState>, GatewayError>;

    /// Sees to it that a charge which has not been captured never will be, also one that is still on its way, and says how it stands
    /// after that: [`ChargeState::Voided`], or the final state that it had reached before.
    ///
    /// # Errors
    /// As [`PaymentGateway::charge`].
    async fn void(&self, reference: Uuid) -> Result<ChargeState, GatewayError>;

    /// Pays back some of a captured charge. The same reference again tells how the first call went.
    ///
    /// # Errors
    /// As [`PaymentGateway::charge`]; [`GatewayError::Refused`] for more than was captured.
    async fn refund(&self, refund: &RefundRequest) -> Result<RefundState, GatewayError>;
}

/// Money to be taken.
#[derive(Clone, Debug)]
pub struct Charge {
    /// Unique to the attempt.
    pub reference: Uuid,
    pub amount: Money,
    pub card: PaymentCard,
}

/// Money to be paid back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// Unique to the refund.
    pub reference: Uuid,
    /// The charge that it is paid back from.
    pub charge: Uuid,
    pub amount: Money,
}

/// How a charge stands. All but [`ChargeState::Processing`] are final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeState {
    /// Neither taken nor refused yet.
    Processing,
    /// The money was taken.
    Captured,
    /// The card was refused.
    Declined {
        /// A sentence for the shopper.
        reason: String,
    },
    /// Withdrawn before anything was taken.
    Voided,
}

/// How a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundState {
    /// Promised, and not paid back yet.
    Processing,
    /// Paid back.
    Succeeded,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    #[error("the payment provider cannot be reached: {0}")]
    NotSent(String),
    #[error("the payment provider gave no answer: {0}")]
    Unknown(String),
    #[error("the payment provider refused the request: {0}")]
    Refused(String),
}

/// What the provider tells of its own accord, in whatever order it arrives. Each notice carries the whole state of its charge at the
/// moment of the event, so that a later one says all that an earlier one would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderEvent {
    /// The provider's own id of the event: one that was seen before says nothing new.
    pub event_id: String,
    /// As in `charge.captured`.
    pub kind: String,
    /// The charge's reference.
    pub charge: Uuid,
    pub charge_state: ChargeState,
    /// The refund that the event is about, if it is about one.
    pub refund: Option<(Uuid, RefundState)>,
}

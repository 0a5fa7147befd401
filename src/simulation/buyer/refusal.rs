//! Classifies the shop's errors into refusals and failures.

use crate::model::{
    ShopError,
    sample::{FailureKind, RejectionReason},
};

/// Returns why the shop rejected an attempt. Without a query to the database, a sold-out answer
/// came from memory.
pub fn refusal_of(error: &ShopError, database_queried: bool) -> RejectionReason {
    match error {
        ShopError::InsufficientStock { .. } if database_queried => RejectionReason::SoldOut,
        ShopError::InsufficientStock { .. } => RejectionReason::FromMemory,
        ShopError::OverCustomerLimit { .. } | ShopError::OverLimitWithOtherCart { .. } => {
            RejectionReason::CustomerLimit
        }
        ShopError::SaleNotStarted { .. } | ShopError::SaleEnded { .. } => RejectionReason::NotOpen,
        ShopError::CardDeclined { .. } => RejectionReason::Declined,
        _ => RejectionReason::OtherRule,
    }
}

/// Returns the same for an HTTP response, which has only a status and a sentence.
pub fn refusal_from_response(status: u16, detail: &str) -> RejectionReason {
    if status == 402 {
        RejectionReason::Declined
    } else if detail.starts_with("Insufficient stock") {
        RejectionReason::SoldOut
    } else if detail.ends_with(" per customer.") {
        RejectionReason::CustomerLimit
    } else if detail.starts_with("The sale of ") {
        RejectionReason::NotOpen
    } else {
        RejectionReason::OtherRule
    }
}

/// Returns why the shop could not answer.
pub fn failure_of(error: &ShopError) -> FailureKind {
    match error {
        ShopError::OutcomeUnknown { .. } => FailureKind::TimedOut,
        ShopError::Unavailable { .. } | ShopError::ProviderUnavailable { .. } => {
            FailureKind::NoConnection
        }
        ShopError::Busy { .. }
        | ShopError::NetworkBusy { .. }
        | ShopError::QueueFull { .. }
        | ShopError::TooManyRequests { .. }
        | ShopError::TooManyConnections { .. } => FailureKind::Busy,
        _ => FailureKind::OtherFault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_the_same_refusal_as_its_error() {
        let product = || "Gadget".to_owned();
        let opens_at = "noon".to_owned();
        for error in [
            ShopError::InsufficientStock {
                product: product(),
                available: 0,
                requested: 1,
            },
            ShopError::OverCustomerLimit {
                product: product(),
                limit: 2,
            },
            ShopError::SaleNotStarted {
                product: product(),
                opens_at,
            },
            ShopError::SaleEnded { product: product() },
            ShopError::CardDeclined {
                reason: "No.".to_owned(),
            },
            ShopError::QuantityInvalid,
        ] {
            let refusal = refusal_from_response(error.status(), &error.to_string());
            assert_eq!(refusal, refusal_of(&error, true), "{error}");
        }
    }
}

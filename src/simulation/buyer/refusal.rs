//! What kind of no, or of neither yes nor no, an answer is.

use crate::model::{
    ShopError,
    sample::{Failure, Refusal},
};

/// Why the shop refused; `asked` tells whether the database was asked for it.
pub fn reason(error: &ShopError, asked: bool) -> Refusal {
    match error {
        ShopError::InsufficientStock { .. } if asked => Refusal::SoldOut,
        ShopError::InsufficientStock { .. } => Refusal::FromMemory,
        ShopError::OverCustomerLimit { .. } => Refusal::CustomerLimit,
        ShopError::SaleNotStarted { .. } | ShopError::SaleEnded { .. } => Refusal::NotOpen,
        ShopError::CardDeclined { .. } => Refusal::Declined,
        _ => Refusal::OtherRule,
    }
}

/// The same of an answer over HTTP, which holds a sentence and a status and no more.
pub fn reason_told(status: u16, detail: &str) -> Refusal {
    if status == 402 {
        Refusal::Declined
    } else if detail.starts_with("Insufficient stock") {
        Refusal::SoldOut
    } else if detail.ends_with(" per customer.") {
        Refusal::CustomerLimit
    } else if detail.starts_with("The sale of ") {
        Refusal::NotOpen
    } else {
        Refusal::OtherRule
    }
}

/// What kept the shop from answering.
pub fn failure(error: &ShopError) -> Failure {
    match error {
        ShopError::OutcomeUnknown { .. } => Failure::TimedOut,
        ShopError::Unavailable { .. } | ShopError::ProviderAway { .. } => Failure::NoConnection,
        ShopError::Busy { .. }
        | ShopError::QueueFull { .. }
        | ShopError::TooManyRequests { .. } => Failure::Busy,
        _ => Failure::OtherFault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_tells_as_much_as_the_error_that_it_came_from() {
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
            let told = reason_told(error.status(), &error.to_string());
            assert_eq!(told, reason(&error, true), "{error}");
        }
    }
}

//! Everything that can go wrong for a shopper, as one enum: each variant is something that they can act on, and its
//! `Display` is the sentence that they read. [`ShopError::Internal`] is the one that they can only report.

use leptos::server_fn::{
    codec::JsonEncoding,
    error::{FromServerFnError, ServerFnErrorErr},
};
use serde::{Deserialize, Serialize};

use super::FieldError;

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ShopError {
    #[error("Insufficient stock for {product} (available: {available}, requested: {requested})")]
    InsufficientStock {
        product: String,
        available: u64,
        requested: u32,
    },
    #[error("There is no such product.")]
    UnknownProduct,
    #[error("There is no such order.")]
    UnknownOrder,
    #[error("There is no such simulation run.")]
    UnknownSimulation,
    #[error("There is no such story.")]
    UnknownStory,
    #[error("There is no such stepper session here. Its link starts it anew.")]
    UnknownStepper,
    #[error("There is no such page.")]
    UnknownPage,
    #[error("This address does not answer to that method.")]
    MethodNotAllowed,
    #[error("This request came from another site, and was refused.")]
    CrossSite,
    #[error("The quantity must be a whole number from 1 to 1,000.")]
    QuantityInvalid,
    #[error("{product} is limited to {limit} per customer.")]
    OverCustomerLimit { product: String, limit: u32 },
    #[error("The sale of {product} has not started yet: it opens at {opens_at}.")]
    SaleNotStarted { product: String, opens_at: String },
    #[error("The sale of {product} has ended.")]
    SaleEnded { product: String },
    #[error("Your cart is empty.")]
    CartEmpty,
    #[error("Your reservation has run out. Reserve again to go on.")]
    ReservationGone,
    #[error("A reservation can be extended once, and this one was.")]
    AlreadyExtended,
    #[error("The total has changed: it is {total} now. Nothing was charged.")]
    TotalChanged { total: String },
    #[error("There is no discount code {0}.")]
    CodeUnknown(String),
    #[error("The discount code {0} is not valid at this time.")]
    CodeNotOpen(String),
    #[error("The discount code {code} is for orders from {minimum}.")]
    CodeBelowMinimum { code: String, minimum: String },
    #[error("The discount code {0} has been used as often as it may.")]
    CodeUsedUp(String),
    #[error("The discount code {code} may be used {limit} times by each customer.")]
    CodeOverCustomerLimit { code: String, limit: u32 },
    #[error("{reason} Nothing was charged.")]
    CardDeclined { reason: String },
    #[error(
        "The payment provider cannot be reached. Nothing was charged; try again in {retry_after_s} s."
    )]
    ProviderAway { retry_after_s: u64 },
    #[error("The signature of this message is not right.")]
    SignatureInvalid,
    /// Something that the state of an order or of the stock does not allow now.
    #[error("{0}")]
    NotNow(String),
    #[error("Please correct the marked fields.")]
    FieldsInvalid(Vec<FieldError>),
    #[error("The request is malformed: {0}")]
    Malformed(String),
    #[error("The request is not understood: {0}")]
    Invalid(String),
    #[error("Send this as {expected}.")]
    WrongContentType { expected: String },
    #[error("The request is larger than {limit_bytes} bytes.")]
    BodyTooLarge { limit_bytes: u64 },
    #[error("This idempotency key was already used for another request.")]
    IdempotencyKeyReused,
    #[error("An idempotency key is 1 to 100 letters, digits, dots, colons, dashes or underscores.")]
    IdempotencyKeyInvalid,
    #[error("There is no such strategy.")]
    StrategyUnknown,
    #[error("The strategy {0} is not safe: it may sell from a private lane only.")]
    StrategyUnsafeHere(String),
    /// Of another layout of stock, or of another product than a lane.
    #[error("The strategy {0} sells only from a lane that is laid out for it.")]
    StrategyOfOtherLane(String),
    #[error("The shop is very busy. Nothing was bought; try again in {retry_after_s} s.")]
    QueueFull { retry_after_s: u64 },
    #[error("Another simulation is running. Wait for its verdict.")]
    SimulationBusy,
    #[error("This simulation is over.")]
    SimulationOver,
    #[error(
        "{sessions_max} stepper sessions are open already, and somebody steps in each. One that stands still for half a minute makes room: try again then."
    )]
    StepperBusy { sessions_max: u32 },
    #[error("Please sign in first.")]
    NotSignedIn,
    #[error("That password is not right.")]
    WrongPassword,
    #[error("Too many requests. Try again in {retry_after_s} s.")]
    TooManyRequests { retry_after_s: u64 },
    #[error(
        "The shop cannot reach its database. Nothing was bought; try again in {retry_after_s} s."
    )]
    Unavailable { retry_after_s: u64 },
    #[error("The shop is very busy. Nothing was bought; try again in {retry_after_s} s.")]
    Busy { retry_after_s: u64 },
    #[error(
        "The shop could not finish this in time, and cannot say whether it went through. Send the same form, or the same \
         idempotency key, again: it is never carried out twice."
    )]
    OutcomeUnknown { retry_after_s: u64 },
    #[error("Something went wrong here. Please quote incident {incident}.")]
    Internal { incident: String },
}

impl ShopError {
    /// [`Self::FieldsInvalid`] for one field.
    pub fn field_invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::FieldsInvalid(vec![FieldError::new(field, message)])
    }

    /// The HTTP status that goes with the sentence.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::NotSignedIn | Self::WrongPassword | Self::SignatureInvalid => 401,
            Self::CardDeclined { .. } => 402,
            Self::StrategyUnsafeHere(_) | Self::StrategyOfOtherLane(_) | Self::CrossSite => 403,
            Self::UnknownProduct
            | Self::UnknownOrder
            | Self::UnknownSimulation
            | Self::UnknownStory
            | Self::UnknownStepper
            | Self::UnknownPage => 404,
            Self::MethodNotAllowed => 405,
            Self::InsufficientStock { .. }
            | Self::OverCustomerLimit { .. }
            | Self::SaleNotStarted { .. }
            | Self::SaleEnded { .. }
            | Self::CartEmpty
            | Self::ReservationGone
            | Self::AlreadyExtended
            | Self::TotalChanged { .. }
            | Self::CodeNotOpen(_)
            | Self::SimulationOver
            | Self::CodeBelowMinimum { .. }
            | Self::CodeUsedUp(_)
            | Self::CodeOverCustomerLimit { .. }
            | Self::NotNow(_)
            | Self::SimulationBusy
            | Self::StepperBusy { .. }
            | Self::IdempotencyKeyReused => 409,
            Self::BodyTooLarge { .. } => 413,
            Self::WrongContentType { .. } => 415,
            Self::QuantityInvalid
            | Self::FieldsInvalid(_)
            | Self::Invalid(_)
            | Self::IdempotencyKeyInvalid
            | Self::CodeUnknown(_)
            | Self::StrategyUnknown => 422,
            Self::TooManyRequests { .. } | Self::QueueFull { .. } => 429,
            Self::Internal { .. } => 500,
            Self::Unavailable { .. }
            | Self::Busy { .. }
            | Self::ProviderAway { .. }
            | Self::OutcomeUnknown { .. } => 503,
        }
    }

    /// Seconds after which a retry makes sense, for the `Retry-After` header.
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after_s }
            | Self::QueueFull { retry_after_s }
            | Self::Unavailable { retry_after_s }
            | Self::Busy { retry_after_s }
            | Self::ProviderAway { retry_after_s }
            | Self::OutcomeUnknown { retry_after_s } => Some(*retry_after_s),
            _ => None,
        }
    }

    /// True when the shop said no for a reason of its own rules: a rejection, not a failure.
    pub const fn is_rejection(&self) -> bool {
        matches!(self.status(), 402 | 409 | 422)
    }

    /// What is wrong with `field`, if that was said.
    pub fn about_field(&self, field: &str) -> Option<&str> {
        match self {
            Self::FieldsInvalid(errors) => errors
                .iter()
                .find(|error| error.field == field)
                .map(|error| error.message.as_str()),
            _ => None,
        }
    }
}

impl FromServerFnError for ShopError {
    type Encoder = JsonEncoding;

    /// What the framework itself refuses is a request that does not have the form's shape.
    fn from_server_fn_error(error: ServerFnErrorErr) -> Self {
        match error {
            ServerFnErrorErr::Args(_)
            | ServerFnErrorErr::MissingArg(_)
            | ServerFnErrorErr::Deserialization(_) => {
                Self::Malformed("the form does not have the expected fields".to_owned())
            }
            other => Self::Malformed(other.to_string()),
        }
    }
}

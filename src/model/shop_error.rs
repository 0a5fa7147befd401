//! Every error that a request can end with. A variant's `Display` is the sentence that the visitor
//! reads; it says what they can do next. [`ShopError::Internal`] is the only one that they can
//! merely report. [`ShopError::on_page`] is the sentence of the pages, where it is another one than
//! that of the API.

use leptos::server_fn::{
    codec::JsonEncoding,
    error::{FromServerFnError, ServerFnErrorErr},
};
use serde::{Deserialize, Serialize};

use super::{
    CartRoom, FieldError, RequestLimit, address::path_segment, digit_groups::group_digits,
};

/// An error with a sentence for the visitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ShopError {
    #[error("Insufficient stock for {product} (available: {available}, requested: {requested})")]
    InsufficientStock {
        product: String,
        available: u64,
        requested: u32,
    },
    #[error("This product does not exist.")]
    UnknownProduct,
    #[error("This order does not exist.")]
    UnknownOrder,
    /// A signed link to a customer's orders, after its time.
    #[error("This link has expired. Find your orders by order number and e-mail address.")]
    LinkExpired,
    #[error("This simulation run does not exist.")]
    UnknownSimulation,
    #[error("This story does not exist.")]
    UnknownStory,
    #[error("This stepper session has ended. Open its link to start it again.")]
    UnknownStepper,
    #[error("This page does not exist.")]
    UnknownPage,
    #[error("This address does not support that HTTP method.")]
    MethodNotAllowed,
    #[error("This request came from another site and was blocked.")]
    CrossSite,
    #[error("The quantity must be a whole number from 1 to 1,000.")]
    QuantityInvalid,
    #[error("{product} is limited to {limit} per customer.")]
    OverCustomerLimit { product: String, limit: u32 },
    /// The cart already contains units of the product, and so many more are too many.
    #[error("{0}")]
    TooManyInCart(CartRoom),
    /// The shopper holds units of the product in their other cart.
    #[error(
        "{limit} is the limit per customer, and {held} of {product} are reserved for you already. Pay for them, or \
         remove them from your cart."
    )]
    OverLimitWithOtherCart {
        product: String,
        limit: u32,
        held: u32,
    },
    /// An express purchase names no customer, so the shop cannot count their units.
    #[error(
        "{product} is limited to {limit} per customer. Buy it in the shop, at /products/{path}: an express purchase \
         names no customer.",
        path = path_segment(.slug)
    )]
    LimitedPerCustomer {
        product: String,
        slug: String,
        limit: u32,
    },
    #[error(
        "Express purchases are switched off in this shop. Buy on the product's page; an administrator can set \
         EXPRESS_PURCHASE=on."
    )]
    ExpressPurchaseOff,
    #[error("The sale of {product} has not started yet. It opens at {opens_at}.")]
    SaleNotStarted { product: String, opens_at: String },
    #[error("The sale of {product} has ended.")]
    SaleEnded { product: String },
    #[error("Your cart is empty.")]
    CartEmpty,
    #[error("Your reservation has expired. Reserve again to continue.")]
    ReservationExpired,
    #[error("You can extend a reservation only once until you have paid.")]
    AlreadyExtended,
    #[error(
        "At most {limit} can be reserved at a time, and this would be {wanted}. Pay for a part first, then reserve the rest."
    )]
    OverHoldLimit { limit: String, wanted: String },
    #[error(
        "Shoppers at your internet address can reserve at most {limit} at a time, all together. The first of their \
         reservations ends at {until}. Try again in {retry_after_s} s."
    )]
    OverAddressHoldLimit {
        limit: String,
        until: String,
        retry_after_s: u64,
    },
    #[error(
        "Your last reservation ended without a payment. You can reserve again at {until}, in {retry_after_s} s."
    )]
    HoldsPaused { until: String, retry_after_s: u64 },
    #[error(
        "Too many reservations from your internet address ended without a payment. You can reserve again at {until}, \
         in {retry_after_s} s."
    )]
    AddressHoldsPaused { until: String, retry_after_s: u64 },
    /// `because` names the prices that changed, each in a sentence with a space behind it.
    #[error(
        "{because}The total was {shown} and is now {total}. Nothing was charged. Check it and pay again."
    )]
    TotalChanged {
        shown: String,
        total: String,
        because: String,
    },
    #[error(
        "Your items have changed since this page was shown. Nothing was charged. Check them and pay again."
    )]
    ItemsChanged,
    #[error("The discount code {0} does not exist.")]
    CodeUnknown(String),
    #[error("The discount code {0} is not valid right now.")]
    CodeNotActive(String),
    #[error("The discount code {code} requires an order of at least {minimum}.")]
    CodeBelowMinimum { code: String, minimum: String },
    #[error("The discount code {0} has reached its usage limit.")]
    CodeUsedUp(String),
    #[error("Each customer can use the discount code {code} at most {limit} times.")]
    CodeOverCustomerLimit { code: String, limit: u32 },
    #[error("{reason} Nothing was charged.")]
    CardDeclined { reason: String },
    #[error(
        "The payment provider cannot be reached. Nothing was charged; try again in {retry_after_s} s."
    )]
    ProviderUnavailable { retry_after_s: u64 },
    #[error("The signature of this message is invalid.")]
    SignatureInvalid,
    /// The current state of an order, a run or the stock does not allow the action.
    #[error("{0}")]
    InvalidState(String),
    #[error("Correct the marked fields.")]
    FieldsInvalid(Vec<FieldError>),
    #[error("The request is malformed: {0}")]
    Malformed(String),
    #[error("The request is invalid: {0}")]
    Invalid(String),
    #[error("Send the request body as {expected}.")]
    WrongContentType { expected: String },
    #[error("The request is larger than {limit_bytes} bytes.")]
    BodyTooLarge { limit_bytes: u64 },
    #[error("The request did not arrive completely. Nothing was changed; send it again.")]
    BodyUnfinished,
    #[error("This idempotency key was already used for another request.")]
    IdempotencyKeyReused,
    /// The same for a browser, whose page with the used key came from its cache.
    #[error(
        "You sent this form before, with other entries. This time nothing was changed. Check your entries and send it \
         again."
    )]
    FormSentBefore,
    /// A form that came from the browser's cache was sent again, and had been carried out.
    #[error("You sent this form before. It was carried out once, and not again.")]
    AlreadyCarriedOut,
    /// The form needs the cart of a session that is gone.
    #[error(
        "Your session has ended, and its cart is gone. Nothing was ordered or changed. Start again in the shop."
    )]
    SessionEnded,
    #[error(
        "Your browser blocks cookies. Allow cookies for this site: the shop needs one for a cart or a sign-in."
    )]
    CookiesBlocked,
    #[error(
        "An idempotency key has 16 to 100 characters: letters, digits, dots, colons, dashes or underscores. Use a \
         random one, such as a UUID: another client could choose a short key too."
    )]
    IdempotencyKeyInvalid,
    #[error("This strategy does not exist.")]
    StrategyUnknown,
    #[error("The strategy {0} is unsafe and can sell only from a private lane.")]
    StrategyUnsafe(String),
    /// The strategy needs another stock layout, or the product is not a lane's.
    #[error("The strategy {0} can sell only from a private lane with its own stock layout.")]
    StrategyLaneOnly(String),
    #[error("The strategy {strategy} does not run on {engine}: {reason}.")]
    StrategyNotOnEngine {
        strategy: String,
        engine: String,
        reason: String,
    },
    #[error("The strategy {0} needs Redis. Choose another one, or set REDIS_URL.")]
    StrategyNeedsRedis(String),
    #[error("This story shows how InnoDB locks, and cannot be played on {engine}.")]
    StoryNotOnEngine { engine: String },
    #[error("The shop is very busy. Nothing was bought; try again in {retry_after_s} s.")]
    QueueFull { retry_after_s: u64 },
    #[error("Another simulation is running. Wait until it ends.")]
    SimulationBusy,
    #[error("This simulation has ended.")]
    SimulationOver,
    #[error(
        "All {sessions_max} stepper sessions are in use. A session that is idle for 30 s makes room; try again then."
    )]
    StepperBusy { sessions_max: u32 },
    #[error("Sign in first.")]
    NotSignedIn,
    /// The administrator's session ended before they sent a form, and they have signed in again.
    #[error(
        "Your session had ended, so nothing was changed. Check what you typed and send it again."
    )]
    SignedOut,
    #[error("Wrong password.")]
    WrongPassword,
    #[error("{limit} Try again in {retry_after_s} s.")]
    TooManyRequests {
        limit: RequestLimit,
        retry_after_s: u64,
    },
    #[error(
        "Your network has {connections_max} open connections to this shop, the most that are allowed. \
         Close other windows of the shop, or try again in {retry_after_s} s."
    )]
    TooManyConnections {
        connections_max: u32,
        retry_after_s: u64,
    },
    #[error(
        "At most {limit_per_minute} new carts can be started from one internet address in a minute. Try again in {retry_after_s} s."
    )]
    TooManyCarts {
        limit_per_minute: u32,
        retry_after_s: u64,
    },
    #[error(
        "The shop cannot reach its database. Nothing was bought; try again in {retry_after_s} s."
    )]
    Unavailable { retry_after_s: u64 },
    #[error("The shop is very busy. Nothing was bought; try again in {retry_after_s} s.")]
    Busy { retry_after_s: u64 },
    /// The requests of the client's network have their share of a server that others use, too.
    #[error(
        "The shop is busy, and your network sends many requests at once. Nothing was bought; try again in \
         {retry_after_s} s."
    )]
    NetworkBusy { retry_after_s: u64 },
    #[error(
        "The shop did not finish in time, so the outcome of your request is unknown. Send the same form, or the same \
         idempotency key, again: it will not be executed twice."
    )]
    OutcomeUnknown { retry_after_s: u64 },
    #[error("Something went wrong on our side. Report incident {incident} if it happens again.")]
    Internal { incident: String },
}

impl ShopError {
    /// [`Self::FieldsInvalid`] for one field.
    pub fn field_invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::FieldsInvalid(vec![FieldError::new(field, message)])
    }

    /// The sentence on a page. The API's own names the figures as a program sends them.
    pub fn on_page(&self) -> String {
        match self {
            Self::InsufficientStock {
                product, available, ..
            } => match available {
                0 => format!("All units of {product} are sold or reserved."),
                1 => format!("Only 1 unit of {product} is left."),
                more => {
                    let more = group_digits(&more.to_string());
                    format!("Only {more} units of {product} are left.")
                }
            },
            other => other.to_string(),
        }
    }

    /// The HTTP status of the response.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::NotSignedIn | Self::SignedOut | Self::WrongPassword | Self::SignatureInvalid => {
                401
            }
            Self::CardDeclined { .. } => 402,
            Self::StrategyUnsafe(_)
            | Self::StrategyLaneOnly(_)
            | Self::StrategyNotOnEngine { .. }
            | Self::StrategyNeedsRedis(_)
            | Self::StoryNotOnEngine { .. }
            | Self::ExpressPurchaseOff
            | Self::CookiesBlocked
            | Self::CrossSite => 403,
            Self::UnknownProduct
            | Self::UnknownOrder
            | Self::UnknownSimulation
            | Self::UnknownStory
            | Self::UnknownStepper
            | Self::UnknownPage => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyUnfinished => 408,
            Self::InsufficientStock { .. }
            | Self::OverCustomerLimit { .. }
            | Self::TooManyInCart(_)
            | Self::OverLimitWithOtherCart { .. }
            | Self::LimitedPerCustomer { .. }
            | Self::SaleNotStarted { .. }
            | Self::SaleEnded { .. }
            | Self::CartEmpty
            | Self::ReservationExpired
            | Self::AlreadyExtended
            | Self::OverHoldLimit { .. }
            | Self::TotalChanged { .. }
            | Self::ItemsChanged
            | Self::CodeNotActive(_)
            | Self::SimulationOver
            | Self::CodeBelowMinimum { .. }
            | Self::CodeUsedUp(_)
            | Self::CodeOverCustomerLimit { .. }
            | Self::InvalidState(_)
            | Self::SimulationBusy
            | Self::StepperBusy { .. }
            | Self::FormSentBefore
            | Self::AlreadyCarriedOut
            | Self::SessionEnded
            | Self::IdempotencyKeyReused => 409,
            Self::LinkExpired => 410,
            Self::BodyTooLarge { .. } => 413,
            Self::WrongContentType { .. } => 415,
            Self::QuantityInvalid
            | Self::FieldsInvalid(_)
            | Self::Invalid(_)
            | Self::IdempotencyKeyInvalid
            | Self::CodeUnknown(_)
            | Self::StrategyUnknown => 422,
            Self::TooManyRequests { .. }
            | Self::TooManyConnections { .. }
            | Self::TooManyCarts { .. }
            | Self::OverAddressHoldLimit { .. }
            | Self::HoldsPaused { .. }
            | Self::AddressHoldsPaused { .. }
            | Self::QueueFull { .. } => 429,
            Self::Internal { .. } => 500,
            Self::Unavailable { .. }
            | Self::Busy { .. }
            | Self::NetworkBusy { .. }
            | Self::ProviderUnavailable { .. }
            | Self::OutcomeUnknown { .. } => 503,
        }
    }

    /// Seconds after which a retry makes sense, for the `Retry-After` header.
    pub const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { retry_after_s, .. }
            | Self::TooManyConnections { retry_after_s, .. }
            | Self::TooManyCarts { retry_after_s, .. }
            | Self::OverAddressHoldLimit { retry_after_s, .. }
            | Self::HoldsPaused { retry_after_s, .. }
            | Self::AddressHoldsPaused { retry_after_s, .. }
            | Self::QueueFull { retry_after_s }
            | Self::Unavailable { retry_after_s }
            | Self::Busy { retry_after_s }
            | Self::NetworkBusy { retry_after_s }
            | Self::ProviderUnavailable { retry_after_s }
            | Self::OutcomeUnknown { retry_after_s } => Some(*retry_after_s),
            _ => None,
        }
    }

    /// True if one of the shop's rules rejected the request; false for a failure.
    pub const fn is_rejection(&self) -> bool {
        matches!(self.status(), 402 | 409 | 422)
    }

    /// The message about `field`, if there is one.
    pub fn field_message(&self, field: &str) -> Option<&str> {
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

    /// Maps an error of the framework: the request does not have the form's fields.
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

#[cfg(test)]
mod tests {
    use super::ShopError;

    #[test]
    fn a_page_says_how_many_units_are_left() {
        for (available, expected) in [
            (0, "All units of Lamp are sold or reserved."),
            (1, "Only 1 unit of Lamp is left."),
            (1_000, "Only 1,000 units of Lamp are left."),
        ] {
            let error = ShopError::InsufficientStock {
                product: "Lamp".to_owned(),
                available,
                requested: 2_000,
            };
            assert_eq!(error.on_page(), expected);
        }
        assert_eq!(
            ShopError::CartEmpty.on_page(),
            ShopError::CartEmpty.to_string()
        );
    }
}

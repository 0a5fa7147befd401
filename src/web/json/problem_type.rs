//! The kinds of problems: what the `type` of a problem document names, and what the page
//! `/api/problems` says about it.
//!
//! A type is stable: a program may depend on it. Sentences may change, so a program should not
//! depend on them. Several errors may have one type, if a program would react to them in the same
//! way.

use crate::model::ShopError;

/// The page that lists all types. A type is the address of its paragraph there, without the host,
/// so that it is the same for every shop.
pub const PAGE: &str = "/api/problems";

/// Declares [`ProblemType`]: name, fragment of its address, HTTP status, title, and what a caller
/// can do.
macro_rules! problem_types {
    ($($name:ident $slug:literal $status:literal $title:literal $advice:literal;)*) => {
        /// See the module's documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ProblemType {
            $(#[doc = $title] $name,)*
        }

        impl ProblemType {
            /// Every type, by status.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The fragment of its address.
            pub const fn slug(self) -> &'static str {
                match self {
                    $(Self::$name => $slug,)*
                }
            }

            /// The HTTP status of all its problems.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                }
            }

            /// A few words that are the same for all its problems.
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)*
                }
            }

            /// When it happens, and what the caller can do.
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Self::$name => $advice,)*
                }
            }
        }
    };
}

problem_types! {
    Malformed "malformed" 400 "Malformed request"
        "The address, a header or the body cannot be read. Correct the request before you send it again.";
    NotSignedIn "not-signed-in" 401 "Not signed in"
        "Only the administrator may do this. Sign in at /admin/login and send the session's cookie.";
    SignedOut "signed-out" 401 "Signed out"
        "The administrator's session ended before the form arrived. Nothing was changed; send it again.";
    WrongPassword "wrong-password" 401 "Wrong password"
        "The password is not the administrator's. Wrong passwords are limited per address.";
    SignatureInvalid "signature-invalid" 401 "Invalid signature"
        "The webhook has no signature, one of another secret, or one that is older than five minutes.";
    CardDeclined "card-declined" 402 "Card declined"
        "The payment provider declined the card. Nothing was charged, and the items are still reserved.";
    StrategyNotAllowed "strategy-not-allowed" 403 "Strategy not allowed here"
        "The strategy sells only from a private lane of the workbench. Choose another one for this product.";
    EngineNotSupported "engine-not-supported" 403 "Not available on this database"
        "The database of this shop cannot do this. The detail names the reason.";
    RedisNeeded "redis-needed" 403 "Not available without Redis"
        "The strategy needs Redis, and this shop runs without it. Choose another one, or set REDIS_URL.";
    ExpressPurchaseOff "express-purchase-off" 403 "Express purchases are off"
        "This shop sells only on its pages. An administrator can set EXPRESS_PURCHASE=on.";
    CookiesBlocked "cookies-blocked" 403 "Cookies blocked"
        "A cart and a sign-in need one cookie. Send the cookies that earlier responses have set.";
    CrossSite "cross-site" 403 "Request from another site"
        "A browser sent this request from a page of another site. Programs send no Origin header.";
    UnknownProduct "unknown-product" 404 "Unknown product"
        "No product of the shop has this id. GET /api/products lists all of them.";
    UnknownOrder "unknown-order" 404 "Unknown order"
        "No order has this public id, or this number together with this e-mail address.";
    UnknownSimulation "unknown-simulation" 404 "Unknown simulation run"
        "No run has this id, or it was deleted after its retention time.";
    UnknownStory "unknown-story" 404 "Unknown story"
        "The stepper has no story with this key.";
    UnknownStepper "unknown-stepper-session" 404 "Unknown stepper session"
        "The session has ended, or is in the memory of another server. Start it again.";
    UnknownAddress "unknown-address" 404 "Unknown address"
        "This address does not exist. GET /api/openapi.json lists all addresses.";
    MethodNotAllowed "method-not-allowed" 405 "Method not allowed"
        "The address exists, but not for this HTTP method. The Allow header lists the methods.";
    BodyUnfinished "body-unfinished" 408 "Incomplete request"
        "The body did not arrive in time. Nothing was changed; send the request again.";
    InsufficientStock "insufficient-stock" 409 "Insufficient stock"
        "Fewer units are available than were requested. The members available and requested have the numbers.";
    OverCustomerLimit "over-customer-limit" 409 "Over the limit per customer"
        "This exceeds the number of units that one customer may buy. Order fewer.";
    TooManyInCart "too-many-in-cart" 409 "Too many in the cart"
        "The cart already contains this product, and the total would exceed the limit. Add fewer units.";
    LimitedPerCustomer "limited-per-customer" 409 "Limited per customer"
        "An express purchase names no customer, so it does not sell a product with a limit. Buy it on its page.";
    SaleNotStarted "sale-not-started" 409 "Sale not started"
        "The product's sale opens later; see startsAt of GET /api/products/{id}.";
    SaleEnded "sale-ended" 409 "Sale ended"
        "The product's sale is over.";
    CartEmpty "cart-empty" 409 "Empty cart"
        "The cart has no items to check out.";
    ReservationExpired "reservation-expired" 409 "Reservation expired"
        "The items are no longer reserved. Reserve them again.";
    AlreadyExtended "already-extended" 409 "Already extended"
        "A reservation can be extended once.";
    OverHoldLimit "over-hold-limit" 409 "Too much reserved"
        "This exceeds the reservation limit. Pay for some items first.";
    TotalChanged "total-changed" 409 "Total changed"
        "The price is no longer the one that was shown. Nothing was charged; check the total and pay again.";
    ItemsChanged "items-changed" 409 "Items changed"
        "The cart is no longer the one that was shown. Nothing was charged; check it and pay again.";
    CodeNotActive "code-not-active" 409 "Discount code not active"
        "The discount code is switched off, or its period has not started or has ended.";
    CodeBelowMinimum "code-below-minimum" 409 "Below the code's minimum"
        "The discount code requires a larger order.";
    CodeUsedUp "code-used-up" 409 "Discount code used up"
        "The discount code has reached its limit of uses.";
    CodeOverCustomerLimit "code-over-customer-limit" 409 "Discount code used already"
        "This customer has used the discount code as often as it allows.";
    InvalidState "invalid-state" 409 "Not possible now"
        "The state of the order, the run or the stock does not allow this. The detail names the reason.";
    SimulationBusy "simulation-busy" 409 "Another simulation is running"
        "Runs do not overlap, because they would measure each other. Wait until the other one ends.";
    SimulationOver "simulation-over" 409 "Simulation ended"
        "The run has ended and takes no more commands.";
    StepperBusy "stepper-busy" 409 "All stepper sessions in use"
        "A session that is idle for 30 seconds makes room. Try again then.";
    IdempotencyKeyReused "idempotency-key-reused" 409 "Idempotency key reused"
        "The key belongs to another request. Use a new key for a new request.";
    AlreadyCarriedOut "already-carried-out" 409 "Already carried out"
        "The same form was sent before and was carried out once. Nothing was done again.";
    SessionEnded "session-ended" 409 "Session ended"
        "The form belongs to a cart of a session that is gone. Nothing was ordered or changed.";
    LinkExpired "link-expired" 410 "Link expired"
        "The signed link to a customer's orders is too old.";
    BodyTooLarge "body-too-large" 413 "Request too large"
        "The body is larger than the server accepts.";
    WrongContentType "wrong-content-type" 415 "Wrong content type"
        "Send the body in the documented media type and name it in the Content-Type header.";
    QuantityInvalid "quantity-invalid" 422 "Invalid quantity"
        "A quantity is a whole number from 1 to 1,000.";
    FieldsInvalid "fields-invalid" 422 "Invalid fields"
        "The member errors names each wrong field of the form, with a sentence.";
    Invalid "invalid" 422 "Invalid request"
        "The request can be read, but a value is missing or out of range. The detail names it.";
    IdempotencyKeyInvalid "idempotency-key-invalid" 422 "Invalid idempotency key"
        "A key has 16 to 100 letters, digits, dots, colons, dashes or underscores. Use a random UUID.";
    CodeUnknown "code-unknown" 422 "Unknown discount code"
        "There is no such discount code. Wrong codes are limited per address.";
    StrategyUnknown "strategy-unknown" 422 "Unknown strategy"
        "There is no such strategy. The OpenAPI document lists the names.";
    TooManyRequests "too-many-requests" 429 "Too many requests"
        "Wait as long as the Retry-After header says.";
    TooManyConnections "too-many-connections" 429 "Too many connections"
        "Your address has too many open connections. Close some, or wait as long as Retry-After says.";
    TooManyCarts "too-many-carts" 429 "Too many new carts"
        "Your address has started too many carts. Wait as long as the Retry-After header says.";
    HoldsLimited "holds-limited" 429 "Reservations limited"
        "Too much is reserved from this address, or was reserved and not paid. Retry-After says how long to wait.";
    QueueFull "queue-full" 429 "Queue full"
        "Too many purchases are waiting. Nothing was bought; wait as long as Retry-After says.";
    Internal "internal" 500 "Internal error"
        "An error inside the shop. The detail has the number of the incident, which is also in the log.";
    ProviderUnavailable "provider-unavailable" 503 "Payment provider unavailable"
        "Nothing was charged. Wait as long as the Retry-After header says.";
    Unavailable "unavailable" 503 "Database unavailable"
        "Nothing was bought. Wait as long as the Retry-After header says.";
    Busy "busy" 503 "Busy"
        "The request was not finished in time, and nothing was bought. Wait as long as Retry-After says.";
    OutcomeUnknown "outcome-unknown" 503 "Outcome unknown"
        "The request may have been carried out. Send it again with the same idempotency key: it is not executed twice.";
}

impl ProblemType {
    /// Its address on this server: the `type` of its problem documents.
    pub fn uri(self) -> String {
        format!("{PAGE}#{}", self.slug())
    }

    /// Returns the type of an error.
    pub const fn of(error: &ShopError) -> Self {
        match error {
            ShopError::InsufficientStock { .. } => Self::InsufficientStock,
            ShopError::UnknownProduct => Self::UnknownProduct,
            ShopError::UnknownOrder => Self::UnknownOrder,
            ShopError::LinkExpired => Self::LinkExpired,
            ShopError::UnknownSimulation => Self::UnknownSimulation,
            ShopError::UnknownStory => Self::UnknownStory,
            ShopError::UnknownStepper => Self::UnknownStepper,
            ShopError::UnknownPage => Self::UnknownAddress,
            ShopError::MethodNotAllowed => Self::MethodNotAllowed,
            ShopError::CrossSite => Self::CrossSite,
            ShopError::QuantityInvalid => Self::QuantityInvalid,
            ShopError::OverCustomerLimit { .. } | ShopError::OverLimitWithOtherCart { .. } => {
                Self::OverCustomerLimit
            }
            ShopError::TooManyInCart(_) => Self::TooManyInCart,
            ShopError::LimitedPerCustomer { .. } => Self::LimitedPerCustomer,
            ShopError::ExpressPurchaseOff => Self::ExpressPurchaseOff,
            ShopError::SaleNotStarted { .. } => Self::SaleNotStarted,
            ShopError::SaleEnded { .. } => Self::SaleEnded,
            ShopError::CartEmpty => Self::CartEmpty,
            ShopError::ReservationExpired => Self::ReservationExpired,
            ShopError::AlreadyExtended => Self::AlreadyExtended,
            ShopError::OverHoldLimit { .. } => Self::OverHoldLimit,
            ShopError::OverAddressHoldLimit { .. }
            | ShopError::HoldsPaused { .. }
            | ShopError::AddressHoldsPaused { .. } => Self::HoldsLimited,
            ShopError::TotalChanged { .. } => Self::TotalChanged,
            ShopError::ItemsChanged => Self::ItemsChanged,
            ShopError::CodeUnknown(_) => Self::CodeUnknown,
            ShopError::CodeNotActive(_) => Self::CodeNotActive,
            ShopError::CodeBelowMinimum { .. } => Self::CodeBelowMinimum,
            ShopError::CodeUsedUp(_) => Self::CodeUsedUp,
            ShopError::CodeOverCustomerLimit { .. } => Self::CodeOverCustomerLimit,
            ShopError::CardDeclined { .. } => Self::CardDeclined,
            ShopError::ProviderUnavailable { .. } => Self::ProviderUnavailable,
            ShopError::SignatureInvalid => Self::SignatureInvalid,
            ShopError::InvalidState(_) => Self::InvalidState,
            ShopError::FieldsInvalid(_) => Self::FieldsInvalid,
            ShopError::Malformed(_) => Self::Malformed,
            ShopError::Invalid(_) => Self::Invalid,
            ShopError::WrongContentType { .. } => Self::WrongContentType,
            ShopError::BodyTooLarge { .. } => Self::BodyTooLarge,
            ShopError::BodyUnfinished => Self::BodyUnfinished,
            ShopError::IdempotencyKeyReused | ShopError::FormSentBefore => {
                Self::IdempotencyKeyReused
            }
            ShopError::AlreadyCarriedOut => Self::AlreadyCarriedOut,
            ShopError::SessionEnded => Self::SessionEnded,
            ShopError::CookiesBlocked => Self::CookiesBlocked,
            ShopError::IdempotencyKeyInvalid => Self::IdempotencyKeyInvalid,
            ShopError::StrategyUnknown => Self::StrategyUnknown,
            ShopError::StrategyUnsafe(_) | ShopError::StrategyLaneOnly(_) => {
                Self::StrategyNotAllowed
            }
            ShopError::StrategyNotOnEngine { .. } | ShopError::StoryNotOnEngine { .. } => {
                Self::EngineNotSupported
            }
            ShopError::StrategyNeedsRedis(_) => Self::RedisNeeded,
            ShopError::QueueFull { .. } => Self::QueueFull,
            ShopError::SimulationBusy => Self::SimulationBusy,
            ShopError::SimulationOver => Self::SimulationOver,
            ShopError::StepperBusy { .. } => Self::StepperBusy,
            ShopError::NotSignedIn => Self::NotSignedIn,
            ShopError::SignedOut => Self::SignedOut,
            ShopError::WrongPassword => Self::WrongPassword,
            ShopError::TooManyRequests { .. } => Self::TooManyRequests,
            ShopError::TooManyConnections { .. } => Self::TooManyConnections,
            ShopError::TooManyCarts { .. } => Self::TooManyCarts,
            ShopError::Unavailable { .. } => Self::Unavailable,
            ShopError::Busy { .. } | ShopError::NetworkBusy { .. } => Self::Busy,
            ShopError::OutcomeUnknown { .. } => Self::OutcomeUnknown,
            ShopError::Internal { .. } => Self::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_type_has_an_address_of_its_own_and_the_types_are_sorted_by_status() {
        let slugs: BTreeSet<_> = ProblemType::ALL.iter().map(|kind| kind.slug()).collect();
        assert_eq!(slugs.len(), ProblemType::ALL.len());
        for kind in ProblemType::ALL {
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(kind.slug().chars().all(is_plain), "{kind:?}");
            assert!(kind.advice().ends_with('.'), "{kind:?}");
        }
        assert!(ProblemType::ALL.is_sorted_by_key(|kind| kind.status()));
    }
}

//! Why an order was rejected, and what the shopper can do next.

use leptos::prelude::*;

use super::Buying;
use crate::{model::ShopError, ui::notice::ErrorNotice};

/// The form's fields from top to bottom; a field's name is its id.
const FIELDS: [&str; 9] = [
    "name",
    "email",
    "country",
    "street",
    "postal_code",
    "city",
    "card_number",
    "card_expiry",
    "card_cvc",
];

/// Shows why an order was rejected, with a link to the place where the shopper can correct it.
#[component]
pub(super) fn Problem(
    error: ShopError,
    buying: Buying,
    /// True if the page shows a reservation. It may have ended while the payment was in progress.
    is_reserved: bool,
) -> impl IntoView {
    let link =
        correction_link(&error, buying).map(|(href, text)| view! { " "<a href=href>{text}</a> });
    view! {
        <ErrorNotice title=error.on_page()>
            <p>{next_step(&error, is_reserved)}{link}</p>
        </ErrorNotice>
    }
}

/// Tells the shopper what to do about a rejected order.
fn next_step(error: &ShopError, is_reserved: bool) -> &'static str {
    match error {
        ShopError::InsufficientStock { .. }
        | ShopError::OverCustomerLimit { .. }
        | ShopError::OverHoldLimit { .. } => {
            "Nothing was ordered. Choose another quantity, then try again."
        }
        ShopError::FieldsInvalid(_) => "Nothing was ordered yet.",
        ShopError::OutcomeUnknown { .. } => "",
        ShopError::CardDeclined { .. } if is_reserved => {
            "Your items are still reserved. Enter another card."
        }
        ShopError::ProviderUnavailable { .. } if is_reserved => {
            "Your items are still reserved. Try again."
        }
        ShopError::CardDeclined { .. } => "Nothing was ordered. Enter another card.",
        ShopError::ProviderUnavailable { .. } => "Nothing was ordered. Try again.",
        ShopError::ReservationExpired
        | ShopError::AlreadyExtended
        | ShopError::OverAddressHoldLimit { .. }
        | ShopError::HoldsPaused { .. }
        | ShopError::AddressHoldsPaused { .. }
        | ShopError::ItemsChanged
        | ShopError::TotalChanged { .. } => "Your details are saved.",
        _ => "Nothing was ordered.",
    }
}

/// Returns the link to the place where the shopper can correct an error, and its text, or `None` if
/// a button of the form corrects it.
fn correction_link(error: &ShopError, buying: Buying) -> Option<(String, &'static str)> {
    let (href, text) = match error {
        ShopError::FieldsInvalid(_) => {
            let first = FIELDS
                .iter()
                .find(|field| error.field_message(field).is_some())
                .unwrap_or(&FIELDS[0]);
            return Some((format!("#{first}"), "Go to the first field"));
        }
        ShopError::CardDeclined { .. } | ShopError::ProviderUnavailable { .. } => {
            ("#card_number", "Go to the card number")
        }
        ShopError::CodeUnknown(_)
        | ShopError::CodeNotActive(_)
        | ShopError::CodeBelowMinimum { .. }
        | ShopError::CodeUsedUp(_)
        | ShopError::CodeOverCustomerLimit { .. } => ("#code", "Change the code"),
        ShopError::InsufficientStock { .. }
        | ShopError::OverCustomerLimit { .. }
        | ShopError::OverHoldLimit { .. }
        | ShopError::SaleNotStarted { .. }
        | ShopError::OverLimitWithOtherCart { .. }
        | ShopError::SaleEnded { .. } => match buying {
            Buying::Cart => ("/cart", "Go to your cart"),
            Buying::Now => ("/", "Go to the shop"),
        },
        _ => return None,
    };
    Some((href.to_owned(), text))
}

//! The checkout: turns a cart and a form into an order with a pending payment, in one transaction.

use uuid::Uuid;

use crate::{
    db::{
        entity::hold,
        locks,
        txn::{Abort, Work},
    },
    model::{
        Bill, Contact, FieldError, Money, PaymentCard, Receipt, ShopError, cart::price_change,
    },
    shop::{
        Shop, cart, customer_limit, discounts,
        email_address::{fold_email, is_email_address},
        holds,
        holds::{Line, Purpose},
        idempotency::{self, Claim, Key},
        orders::{self, NewLine, NewOrder},
        payments::record,
    },
};

/// A request to order and pay for a cart.
#[derive(Clone, Debug)]
pub struct OrderRequest {
    pub cart_id: Uuid,
    /// Checked by [`check_contact`].
    pub contact: Contact,
    /// Discount code, folded by [`discounts::fold_code`]; `None` if none was entered.
    pub code: Option<String>,
    /// The total shown to the shopper, in cents: the order is rejected if its total differs. `None`
    /// if no total was shown.
    pub expected_total_cents: Option<i64>,
    pub claim: Claim,
    /// The workbench lane whose buyer this is. Only its buyers may order its private products.
    pub lane_id: Option<i64>,
}

/// A started checkout, before the payment is charged.
#[derive(Clone, Debug)]
pub enum CheckoutStarted {
    /// The key was used before: this is the receipt of its order.
    Existing(Receipt),
    /// A new order with a pending payment.
    New {
        receipt: Receipt,
        /// Reference of the payment at the provider.
        payment: Uuid,
        amount: Money,
    },
}

/// Writes a pending order for a cart. It reserves every line, checks the limits and the discount
/// code, assigns the holds to the order, and clears the cart. It sells no stock and charges no
/// payment.
///
/// # Errors
/// [`ShopError::CartEmpty`], [`ShopError::InsufficientStock`] for the first line that the cart's
/// holds and the available stock do not cover, [`ShopError::OverCustomerLimit`],
/// [`ShopError::SaleNotStarted`], [`ShopError::SaleEnded`], [`ShopError::UnknownProduct`] for a
/// private product of a lane that is not the buyer's, the errors of [`holds::admit`] and of
/// [`discounts::redeem`],
/// [`ShopError::TotalChanged`], [`ShopError::IdempotencyKeyReused`]. The transaction then changes
/// nothing.
pub async fn start(
    work: &Work,
    shop: &Shop,
    request: &OrderRequest,
) -> Result<CheckoutStarted, Abort> {
    if let Some(receipt) = idempotency::claim(work, Some(&request.claim)).await? {
        return Ok(CheckoutStarted::Existing(receipt));
    }
    locks::cart(work, request.cart_id).await?;
    let lines = cart::lines(work, request.cart_id).await?;
    for (offer, _) in &lines {
        offer.check_buyer(request.lane_id)?;
    }
    let email = fold_email(&request.contact.email);
    let admitted = holds::admit(work, shop, request.cart_id, &lines, Purpose::Pay).await?;
    let holds = locks::holds_of_cart(work, request.cart_id).await?;
    check_limits(work, &lines, &holds, &email).await?;
    let holds = holds::reconcile(work, shop, request.cart_id, holds, &lines, admitted).await?;
    let new_lines = lines
        .iter()
        .map(|(offer, quantity)| NewLine::of(offer, *quantity))
        .collect::<Result<Vec<_>, _>>()?;
    let subtotal = orders::subtotal(&new_lines)?;
    let discount = match &request.code {
        Some(code) => Some(discounts::redeem(work, code, &email, subtotal).await?),
        None => None,
    };
    let bill = Bill::with_delivery(subtotal, discount).ok_or_else(orders::too_large)?;
    check_total(request, bill.total, &lines, &holds)?;
    let order = NewOrder {
        contact: Some(request.contact.clone()),
        lane_id: request
            .lane_id
            .or(lines.iter().find_map(|(offer, _)| offer.lane_id)),
        cart_id: Some(request.cart_id),
        code: request.code.clone(),
        bill,
        lines: new_lines,
    };
    let order = orders::write_pending(work, &order).await?;
    if let Some(code) = &request.code {
        discounts::record_use(work, order.id, code, &email).await?;
    }
    holds::assign_to_order(work, &holds, Some(order.id)).await?;
    cart::clear(work, request.cart_id).await?;
    let payment = record::open(work, order.id, bill.total, request.claim.key()).await?;
    let receipt = Receipt {
        order_id: order.public_id.to_string(),
        remaining_stock: None,
    };
    idempotency::record(work, Some(&request.claim), &receipt).await?;
    Ok(CheckoutStarted::New {
        receipt,
        payment,
        amount: bill.total,
    })
}

/// Checks that the total is the one that was shown to the shopper. The error names the prices that
/// changed since the shopper reserved.
///
/// # Errors
/// [`ShopError::TotalChanged`].
fn check_total(
    request: &OrderRequest,
    total: Money,
    lines: &[Line],
    holds: &[hold::Model],
) -> Result<(), ShopError> {
    let Some(shown) = request
        .expected_total_cents
        .filter(|shown| *shown != total.cents)
    else {
        return Ok(());
    };
    let reserved_price = |product_id| {
        let hold = holds.iter().find(|hold| hold.product_id == product_id);
        hold.and_then(|hold| hold.unit_price_cents)
    };
    let changes = lines.iter().filter_map(|(offer, _)| {
        let before = reserved_price(offer.id).filter(|before| *before != offer.price.cents)?;
        let before = Money::new(before, offer.price.currency);
        Some(price_change(&offer.name, before, offer.price))
    });
    Err(ShopError::TotalChanged {
        shown: Money::new(shown, total.currency).to_string(),
        total: total.to_string(),
        because: changes.map(|change| change + " ").collect(),
    })
}

/// Checks the limits per customer. The count is correct only while the stock rows are locked:
/// otherwise two checkouts of one customer could both count before either writes its order.
async fn check_limits(
    work: &Work,
    lines: &[Line],
    holds: &[hold::Model],
    email: &str,
) -> Result<(), Abort> {
    if lines
        .iter()
        .all(|(offer, _)| offer.per_customer_limit.is_none())
    {
        return Ok(());
    }
    // Lock the stock rows of all lines and of all holds, not only of limited products: the other
    // rows are locked later, and all rows must be locked in id order.
    let held = holds.iter().map(|hold| hold.product_id);
    let ids: Vec<i64> = lines
        .iter()
        .map(|(offer, _)| offer.id)
        .chain(held)
        .collect();
    locks::stock_rows(work, &ids).await?;
    for (offer, quantity) in lines {
        customer_limit::check(work, offer, email, quantity.get().into()).await?;
    }
    Ok(())
}

/// Creates the claim of `key` for an order of this cart by this customer. The card is not part of
/// its fingerprint: card data is never stored, not even as a hash.
pub fn claim(key: Key, cart_id: Uuid, contact: &Contact, code: Option<&str>) -> Claim {
    let cart_id = cart_id.to_string();
    Claim::new(
        key,
        "checkout",
        &[
            &cart_id,
            &contact.name,
            &contact.email,
            &contact.street,
            &contact.postal_code,
            &contact.city,
            &contact.country,
            code.unwrap_or_default(),
        ],
    )
}

/// Checks the format of a card, and removes spaces and dashes from its number. The provider checks
/// the rest.
///
/// # Errors
/// [`ShopError::FieldsInvalid`].
pub fn check_card(typed: &PaymentCard) -> Result<PaymentCard, ShopError> {
    let card = PaymentCard {
        number: typed
            .number
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect(),
        expiry: typed.expiry.split_whitespace().collect(),
        cvc: typed.cvc.trim().to_owned(),
    };
    let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let expiry = card.expiry.split_once('/');
    let is_month = |month: &str| digits(month, 1..=2) && matches!(month.parse(), Ok(1..=12_u8));
    let mut errors = Vec::new();
    let mut add_error = |field, message| errors.push(FieldError::new(field, message));
    if !digits(&card.number, 12..=19) {
        add_error(
            "card_number",
            "Please enter the 12 to 19 digits of the card.",
        );
    }
    if !expiry.is_some_and(|(month, year)| is_month(month) && digits(year, 2..=2)) {
        add_error("card_expiry", "Please enter month and year, as in 12/30.");
    }
    if !digits(&card.cvc, 3..=4) {
        add_error("card_cvc", "Please enter the 3 or 4 digits.");
    }
    if errors.is_empty() {
        Ok(card)
    } else {
        Err(ShopError::FieldsInvalid(errors))
    }
}

/// Combines the results of two form checks: returns both values, or the field errors of both.
///
/// # Errors
/// [`ShopError::FieldsInvalid`].
pub fn combine_checks<A, B>(
    a: Result<A, ShopError>,
    b: Result<B, ShopError>,
) -> Result<(A, B), ShopError> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(ShopError::FieldsInvalid(mut errors)), Err(ShopError::FieldsInvalid(more))) => {
            errors.extend(more);
            Err(ShopError::FieldsInvalid(errors))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Trims and checks the contact fields.
///
/// # Errors
/// [`ShopError::FieldsInvalid`], with one message per field.
pub fn check_contact(typed: &Contact) -> Result<Contact, ShopError> {
    let contact = typed.map(|field| field.trim().to_owned());
    let mut errors = Vec::new();
    for (field, value, length_max) in [
        ("name", &contact.name, 120),
        ("email", &contact.email, 254),
        ("street", &contact.street, 160),
        ("postal_code", &contact.postal_code, 20),
        ("city", &contact.city, 80),
        ("country", &contact.country, 60),
    ] {
        let message = match field {
            "email" if !value.is_empty() => email_error(value, length_max),
            _ => text_error(value, length_max),
        };
        errors.extend(message.map(|message| FieldError::new(field, message)));
    }
    if errors.is_empty() {
        Ok(contact)
    } else {
        Err(ShopError::FieldsInvalid(errors))
    }
}

/// Returns what is wrong with the text of a required field, if anything is.
fn text_error(value: &str, length_max: usize) -> Option<String> {
    let length = value.chars().count();
    if length == 0 {
        Some("Please fill this in.".to_owned())
    } else if length > length_max {
        Some(format!("At most {length_max} characters."))
    } else if value.chars().any(char::is_control) {
        Some("Use only letters, digits and punctuation.".to_owned())
    } else {
        None
    }
}

fn email_error(value: &str, length_max: usize) -> Option<String> {
    let is_valid = text_error(value, length_max).is_none() && is_email_address(value);
    (!is_valid).then(|| "Please enter an e-mail address, as in name@example.com.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_invalid_field_has_one_error() {
        let error = check_contact(&Contact {
            name: "  ".to_owned(),
            email: "no-at-sign".to_owned(),
            city: "x".repeat(81),
            ..Contact::default()
        })
        .err();
        let about = |field| error.as_ref().and_then(|error| error.field_message(field));
        assert_eq!(about("name"), Some("Please fill this in."));
        assert_eq!(
            about("email"),
            Some("Please enter an e-mail address, as in name@example.com.")
        );
        assert_eq!(about("city"), Some("At most 80 characters."));
        assert_eq!(about("street"), Some("Please fill this in."));
    }

    #[test]
    fn errors_are_in_the_order_of_the_form() {
        let Err(ShopError::FieldsInvalid(errors)) = check_contact(&Contact::default()) else {
            panic!("an empty form has errors");
        };
        let errors: Vec<_> = errors
            .iter()
            .map(|error| (error.field.as_str(), error.message.as_str()))
            .collect();
        let fields = ["name", "email", "street", "postal_code", "city", "country"];
        assert_eq!(errors, fields.map(|field| (field, "Please fill this in.")));
    }

    #[test]
    fn a_control_character_is_an_error() {
        let contact = Contact {
            name: "Ann\u{7}".to_owned(),
            email: "ann\u{7}@example.com".to_owned(),
            ..Contact::default()
        };
        let error = check_contact(&contact).err();
        let about = |field| error.as_ref().and_then(|error| error.field_message(field));
        assert_eq!(
            about("name"),
            Some("Use only letters, digits and punctuation.")
        );
        assert_eq!(
            about("email"),
            Some("Please enter an e-mail address, as in name@example.com.")
        );
    }
}

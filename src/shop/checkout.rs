//! The checkout: turns a cart and a form into an order with a pending payment, in one transaction.

mod form;

pub use form::{check_card, check_contact, combine_checks};

use uuid::Uuid;

use crate::{
    db::{
        entity::hold,
        locks,
        txn::{Abort, Work},
    },
    model::{
        Bill, Contact, Money, Receipt, ShopError,
        cart::{items, price_change},
    },
    shop::{
        Shop, cart, customer_limit, discounts,
        email_address::fold_email,
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
    /// The items shown to the shopper, as [`items`] writes them: the order is rejected if it
    /// would contain others. `None` if none were shown.
    pub expected_items: Option<String>,
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
    check_items(request, &lines)?;
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
    holds::sale_end::outlast_sale(work, shop, &holds).await?;
    cart::clear(work, request.cart_id, &lines).await?;
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

/// Checks that the order contains what was shown to the shopper: the same total could be that of
/// another product, which *Buy now* in a second window has put into the cart.
///
/// # Errors
/// [`ShopError::ItemsChanged`].
fn check_items(request: &OrderRequest, lines: &[Line]) -> Result<(), ShopError> {
    let Some(shown) = &request.expected_items else {
        return Ok(());
    };
    let items = items(lines.iter().map(|(offer, quantity)| (offer.id, *quantity)));
    if items == *shown {
        Ok(())
    } else {
        Err(ShopError::ItemsChanged)
    }
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

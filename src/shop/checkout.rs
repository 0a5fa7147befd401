//! Placing an order: one transaction that takes the stock of every line and writes the order, or does nothing.

use garde::Validate;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::{
    db::{
        entity::{cart_item, checkout_draft},
        locks,
        txn::{self, Abort, Outcome, Work},
    },
    model::{Contact, FieldError, Quantity, Receipt, ShopError, product::insufficient},
    shop::{
        Shop,
        catalog::{self, Offer},
        customer_limit,
        idempotency::{self, Claim},
        inventory::{counters, purchase},
        orders::{self, NewLine, NewOrder},
    },
};

/// A cart to be ordered.
#[derive(Clone, Debug)]
pub struct OrderRequest {
    pub cart_id: Uuid,
    /// Checked by [`check_contact`].
    pub contact: Contact,
    pub claim: Claim,
    /// The lane on whose behalf a simulated buyer orders.
    pub lane_id: Option<i64>,
}

impl Shop {
    /// Places the order of a cart: locks the cart, then the stock rows in id order, checks every line, takes the stock, writes order,
    /// lines and movements, and empties the cart.
    ///
    /// Refusals: [`ShopError::CartEmpty`], [`ShopError::InsufficientStock`] for the first line that is not covered,
    /// [`ShopError::OverCustomerLimit`], a closed sale, a reused key. Nothing has changed then.
    pub async fn place_order(&self, request: OrderRequest) -> Outcome<Receipt> {
        let shop = self.clone();
        txn::run(&self.db, self.policy("place order"), move |work| {
            let (shop, request) = (shop.clone(), request.clone());
            Box::pin(async move { place(work, &shop, &request).await })
        })
        .await
    }
}

async fn place(work: &Work, shop: &Shop, request: &OrderRequest) -> Result<Receipt, Abort> {
    if let Some(receipt) = idempotency::claim(work, Some(&request.claim)).await? {
        return Ok(receipt);
    }
    locks::cart(work, request.cart_id).await?;
    let wanted = cart_lines(work, request.cart_id).await?;
    let lines = take_stock(work, shop, &wanted, &request.contact.email).await?;
    let order = orders::write(
        work,
        &NewOrder {
            contact: Some(request.contact.clone()),
            lane_id: request.lane_id,
            lines,
        },
    )
    .await?;
    empty_cart(work, request.cart_id).await?;
    let receipt = Receipt {
        order_id: order.public_id.to_string(),
        remaining_stock: None,
    };
    idempotency::record(work, Some(&request.claim), &receipt).await?;
    Ok(receipt)
}

/// What the cart holds, by product id.
async fn cart_lines(work: &Work, cart_id: Uuid) -> Result<Vec<(Offer, Quantity)>, Abort> {
    let items = cart_item::Entity::find()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .order_by_asc(cart_item::Column::ProductId)
        .all(work.connection())
        .await?;
    if items.is_empty() {
        return Err(ShopError::CartEmpty.into());
    }
    let mut lines = Vec::with_capacity(items.len());
    for item in items {
        let offer = catalog::offer(work, item.product_id).await?;
        offer.check_open()?;
        lines.push((offer, Quantity::new(item.quantity.into())?));
    }
    Ok(lines)
}

/// Locks all rows first and checks all lines before it takes the first unit: what is refused, is refused whole.
async fn take_stock(
    work: &Work,
    shop: &Shop,
    wanted: &[(Offer, Quantity)],
    email: &str,
) -> Result<Vec<NewLine>, Abort> {
    let ids: Vec<i64> = wanted.iter().map(|(offer, _)| offer.id).collect();
    let rows = locks::stock_rows(work, &ids).await?;
    shop.seam.pass().await;
    let email = customer_limit::fold_email(email);
    for (offer, quantity) in wanted {
        let row = rows
            .iter()
            .find(|row| row.product_id == offer.id)
            .ok_or(ShopError::UnknownProduct)?;
        if row.available < i64::from(quantity.get()) {
            return Err(insufficient(&offer.name, row.available, *quantity).into());
        }
        customer_limit::check(work, offer, &email, quantity.get().into()).await?;
    }
    let mut lines = Vec::with_capacity(wanted.len());
    for (offer, quantity) in wanted {
        let level = counters::sell(work, offer.id, *quantity)
            .await?
            .ok_or_else(|| insufficient(&offer.name, 0, *quantity))?;
        purchase::announce(work, shop, offer.id, level);
        lines.push(NewLine::of(offer, *quantity)?);
    }
    Ok(lines)
}

async fn empty_cart(work: &Work, cart_id: Uuid) -> Result<(), Abort> {
    cart_item::Entity::delete_many()
        .filter(cart_item::Column::CartId.eq(cart_id))
        .exec(work.connection())
        .await?;
    checkout_draft::Entity::delete_by_id(cart_id)
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Claims `key` for the order of this cart by this customer.
///
/// # Errors
/// [`ShopError::IdempotencyKeyInvalid`].
pub fn claim(key: &str, cart_id: Uuid, contact: &Contact) -> Result<Claim, ShopError> {
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
        ],
    )
}

/// The rules for a checkout form.
#[derive(Validate)]
struct ContactRules<'a> {
    #[garde(custom(filled(120)))]
    name: &'a str,
    #[garde(custom(filled(254)), email)]
    email: &'a str,
    #[garde(custom(filled(160)))]
    street: &'a str,
    #[garde(custom(filled(20)))]
    postal_code: &'a str,
    #[garde(custom(filled(80)))]
    city: &'a str,
    #[garde(custom(filled(60)))]
    country: &'a str,
}

fn filled(length_max: usize) -> impl Fn(&&str, &()) -> garde::Result {
    move |value, ()| {
        let length = value.chars().count();
        if length == 0 {
            Err(garde::Error::new("Please fill this in."))
        } else if length > length_max {
            Err(garde::Error::new(format!(
                "At most {length_max} characters."
            )))
        } else if value.chars().any(char::is_control) {
            Err(garde::Error::new("Only letters, digits and punctuation."))
        } else {
            Ok(())
        }
    }
}

/// Trims and checks what a guest filled in.
///
/// # Errors
/// [`ShopError::FieldsInvalid`], with one sentence for each field.
pub fn check_contact(typed: &Contact) -> Result<Contact, ShopError> {
    let trim = |field: &str| field.trim().to_owned();
    let contact = Contact {
        name: trim(&typed.name),
        email: trim(&typed.email),
        street: trim(&typed.street),
        postal_code: trim(&typed.postal_code),
        city: trim(&typed.city),
        country: trim(&typed.country),
    };
    let rules = ContactRules {
        name: &contact.name,
        email: &contact.email,
        street: &contact.street,
        postal_code: &contact.postal_code,
        city: &contact.city,
        country: &contact.country,
    };
    let Err(report) = rules.validate() else {
        return Ok(contact);
    };
    let mut errors: Vec<FieldError> = Vec::new();
    for (path, error) in report.iter() {
        let field = path.to_string();
        if errors.iter().all(|known| known.field != field) {
            let message = if field == "email" && !contact.email.is_empty() {
                "Please enter an e-mail address, as in name@example.com.".to_owned()
            } else {
                error.to_string()
            };
            errors.push(FieldError { field, message });
        }
    }
    Err(ShopError::FieldsInvalid(errors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_is_wrong_is_named_once() {
        let error = check_contact(&Contact {
            name: "  ".to_owned(),
            email: "nobody".to_owned(),
            city: "x".repeat(81),
            ..Contact::default()
        })
        .err();
        let about = |field| error.as_ref().and_then(|error| error.about_field(field));
        assert_eq!(about("name"), Some("Please fill this in."));
        assert_eq!(
            about("email"),
            Some("Please enter an e-mail address, as in name@example.com.")
        );
        assert_eq!(about("city"), Some("At most 80 characters."));
    }
}

//! The orders of one customer: one by its number and e-mail address, all of them by a signed link.
//!
//! An e-mail address is never verified: a shopper who orders with the address of another person
//! knows a number of that address. So a number leads to its own order only, and the link to all
//! orders of exactly that address, as [`normalize_email`] compares it, is sent by the shop. Limits
//! count customers by a folded address, which two people may share; here it only narrows the
//! search.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use time::OffsetDateTime;

use super::{
    customer_link::{self, CustomerLink},
    number,
    reading::Orders,
};
use crate::{
    db::{dialect, entity::customer_order, txn},
    model::{OrderView, ShopError},
    shop::{
        administrator::Administrator,
        email_address::{fold_email, normalize_email},
        moment,
    },
};

/// At most this many orders of a customer are listed, the newest.
const LISTED_MAX: usize = 100;
/// At most this many orders of a folded address are searched.
const SEARCHED_MAX: u64 = 10_000;

/// The orders of one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomerOrders {
    /// The customer's address, as given with the order that the link names.
    pub email: String,
    /// Newest first, at most 100.
    pub orders: Vec<OrderView>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// Until when the link is valid, formatted in UTC.
    pub valid_until: String,
}

impl Orders<'_> {
    /// Returns the public id of the order with this number, in any spelling, and this e-mail
    /// address. The error does not reveal which of the two is wrong.
    ///
    /// # Errors
    /// [`ShopError::UnknownOrder`]; the errors of [`Orders::find`].
    pub async fn id_by_number(self, number: &str, email: &str) -> Result<String, ShopError> {
        // The query also runs for an invalid number, so that the response takes as long.
        let order = self
            .by_id(number::id_of(number).unwrap_or_default())
            .await?;
        let typed = normalize_email(email);
        order
            .filter(|order| {
                let stored = order.email.as_deref();
                stored.is_some_and(|stored| normalize_email(stored) == typed)
            })
            .map(|order| order.public_id.to_string())
            .ok_or(ShopError::UnknownOrder)
    }

    /// Returns a signed link to all orders of the order's customer, which the administrator may
    /// send to the customer's address; `None` for an express purchase.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] if the database fails.
    pub async fn link_for_customer(
        self,
        _: &Administrator,
        order: &OrderView,
    ) -> Result<Option<String>, ShopError> {
        let id = number::id_of(&order.number);
        match id.zip(order.contact.as_ref()) {
            Some((id, contact)) => self.sign_link(id, &contact.email).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns the orders to which a signed link leads.
    ///
    /// # Errors
    /// [`ShopError::UnknownOrder`] if the shop did not issue the link; [`ShopError::LinkExpired`];
    /// the errors of [`Orders::find`].
    pub async fn of_customer(self, link: &str) -> Result<CustomerOrders, ShopError> {
        let link = CustomerLink::parse(link).ok_or(ShopError::UnknownOrder)?;
        let secret = self.shop.operation().link_secret().await?;
        let order = self.by_id(link.order_id).await?;
        let email = order
            .and_then(|order| order.email)
            .filter(|email| link.is_signed(&secret, email))
            .ok_or(ShopError::UnknownOrder)?;
        let until = OffsetDateTime::from_unix_timestamp(link.expires_at_s)
            .map_err(|_| ShopError::UnknownOrder)?;
        if self.now().await? >= until {
            return Err(ShopError::LinkExpired);
        }
        let mut ids = self.ids_of_address(&email).await?;
        let has_more = ids.len() > LISTED_MAX;
        ids.truncate(LISTED_MAX);
        let rows = customer_order::Entity::find()
            .filter(dialect::column_in(customer_order::Column::Id, &ids))
            .order_by_desc(customer_order::Column::Id)
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok(CustomerOrders {
            email,
            orders: self.views(rows).await?,
            has_more,
            valid_until: moment::in_utc(until),
        })
    }

    async fn sign_link(self, order_id: i64, email: &str) -> Result<String, ShopError> {
        let secret = self.shop.operation().link_secret().await?;
        let until = self.now().await?.unix_timestamp() + customer_link::VALID_FOR_S;
        Ok(customer_link::issue(&secret, order_id, email, until))
    }

    async fn now(self) -> Result<OffsetDateTime, ShopError> {
        dialect::now(self.shop.db.reader())
            .await
            .map_err(txn::read_error)
    }

    /// Returns an order of the shop by its id; no order of a simulated buyer.
    async fn by_id(self, id: i64) -> Result<Option<customer_order::Model>, ShopError> {
        customer_order::Entity::find_by_id(id)
            .filter(customer_order::Column::LaneId.is_null())
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)
    }

    /// Returns the ids of the orders with exactly this address, newest first.
    async fn ids_of_address(self, email: &str) -> Result<Vec<i64>, ShopError> {
        let wanted = normalize_email(email);
        let rows: Vec<(i64, Option<String>)> = customer_order::Entity::find()
            .select_only()
            .column(customer_order::Column::Id)
            .column(customer_order::Column::Email)
            .filter(customer_order::Column::EmailFolded.eq(fold_email(email)))
            .filter(customer_order::Column::LaneId.is_null())
            .order_by_desc(customer_order::Column::Id)
            .limit(SEARCHED_MAX)
            .into_tuple()
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        let is_same = |email: &String| normalize_email(email) == wanted;
        Ok(rows
            .into_iter()
            .filter(|(_, email)| email.as_ref().is_some_and(is_same))
            .map(|(id, _)| id)
            .collect())
    }
}

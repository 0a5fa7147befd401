//! One product in Redis, beside its stock row.

use sea_orm::EntityTrait;

use super::{GateReport, Gates, GatesError};
use crate::{
    db::{
        entity::{product, stock},
        txn,
    },
    model::{ShopError, StockLayout},
    shop::inventory::{counters::Level, gate::GateDetails},
};

/// What is in Redis about one product, beside its row.
#[derive(Clone, Debug)]
pub struct ProductInspection {
    pub product_id: i64,
    pub product_name: String,
    /// `None` if the product has no gate.
    pub gate: Option<GateReport>,
    pub details: GateDetails,
    /// The fencing token in the row: a holder of the lock with a smaller one changes nothing.
    pub row_token: i64,
}

impl ProductInspection {
    /// The names and values of everything but the leases.
    pub fn facts(&self) -> [(&'static str, String); 5] {
        let details = &self.details;
        let or = |text: Option<String>, none: &str| text.unwrap_or_else(|| none.to_owned());
        let gate = self.gate.as_ref().map(ToString::to_string);
        let lock = details.lock.as_ref().map(ToString::to_string);
        let last_token = details.last_token.map(|token| token.to_string());
        let refusal = details.refusal.map(|mark| mark.to_string());
        [
            ("Gate", or(gate, "none")),
            ("Lock", or(lock, "free")),
            ("Last token in Redis", or(last_token, "none")),
            ("Token of the row", self.row_token.to_string()),
            ("Repeated rejection", or(refusal, "none")),
        ]
    }
}

impl Gates<'_> {
    /// Reads what is in Redis about a product: at most a hundred of its leases.
    ///
    /// # Errors
    /// [`ShopError::UnknownProduct`] if there is none with this id.
    pub async fn inspect_product(self, product_id: i64) -> Result<ProductInspection, GatesError> {
        let gate = self.gate()?;
        let reader = self.shop.db.reader();
        let product = product::Entity::find_by_id(product_id).one(reader).await;
        let product = product.map_err(txn::read_error)?;
        let product_name = product.ok_or(ShopError::UnknownProduct)?.name;
        // Before the row, so that the row is as new as its gate.
        let state = gate.inspect(product_id).await?;
        let details = gate.details(product_id).await?;
        let row = stock::Entity::find_by_id(product_id).one(reader).await;
        let row = row.map_err(txn::read_error)?;
        let row = row.ok_or(ShopError::UnknownProduct)?;
        let is_single_row = row.layout == StockLayout::Row.as_str();
        let level = is_single_row.then(|| Level::of(&row));
        let gate =
            state.map(|state| GateReport::of(product_id, product_name.clone(), state, level));
        Ok(ProductInspection {
            product_id,
            product_name,
            gate,
            details,
            row_token: row.fence,
        })
    }
}

//! What was typed at the checkout so far, kept beside the cart: whoever comes back finds it in the form.

use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, sea_query::OnConflict};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{KeyedCart, open};
use crate::{
    db::{
        entity::checkout_draft,
        txn::{self, Abort, Work},
    },
    model::{Contact, ShopError},
    shop::{Shop, discounts::CODE_LEN_MAX},
};

/// Characters of a field that a draft keeps: as many as any field may have.
const KEPT_FIELD_LEN_MAX: usize = 300;

/// What was typed at the checkout so far. Never card data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    #[serde(flatten)]
    pub contact: Contact,
    /// The discount code, folded; empty if there is none.
    #[serde(default)]
    pub code: String,
}

impl Shop {
    /// Keeps what was typed at checkout beside the cart.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn keep_draft(&self, cart_id: Uuid, draft: &Draft) -> Result<(), ShopError> {
        let draft = draft.clone();
        let cart = KeyedCart {
            cart_id,
            claim: None,
        };
        self.write_cart("keep checkout draft", cart, move |work| {
            let draft = draft.clone();
            Box::pin(async move {
                open(work, cart_id).await?;
                write_draft(work, cart_id, &draft).await
            })
        })
        .await
        .result
        .map_err(ShopError::from)
    }

    /// What was typed at checkout so far; empty if nothing was.
    ///
    /// # Errors
    /// What a database failure means to a shopper.
    pub async fn draft(&self, cart_id: Option<Uuid>) -> Result<Draft, ShopError> {
        let Some(cart_id) = cart_id else {
            return Ok(Draft::default());
        };
        let row = checkout_draft::Entity::find_by_id(cart_id)
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        // A draft of an older shape is worth no error: the shopper types again.
        Ok(row
            .and_then(|row| serde_json::from_str(&row.fields).ok())
            .unwrap_or_default())
    }
}

/// Writes what was typed in place of what was kept, cut to what a field may hold.
pub(super) async fn write_draft(work: &Work, cart_id: Uuid, draft: &Draft) -> Result<(), Abort> {
    let clip = |field: &str| field.chars().take(KEPT_FIELD_LEN_MAX).collect();
    let clipped = Draft {
        contact: draft.contact.map(clip),
        code: draft.code.chars().take(CODE_LEN_MAX).collect(),
    };
    let fields = serde_json::to_string(&clipped).map_err(|error| DbErr::Json(error.to_string()))?;
    let row = checkout_draft::ActiveModel {
        cart_id: Set(cart_id),
        fields: Set(fields),
    };
    checkout_draft::Entity::insert(row)
        .on_conflict(
            OnConflict::column(checkout_draft::Column::CartId)
                .update_column(checkout_draft::Column::Fields)
                .to_owned(),
        )
        .exec_without_returning(work.connection())
        .await?;
    Ok(())
}

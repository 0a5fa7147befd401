//! Checkout drafts: the fields that a shopper has filled in so far, stored with the cart. A shopper
//! who comes back finds them in the form.

use sea_orm::{ActiveValue::Set, DbErr, EntityTrait, sea_query::OnConflict};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Carts, KeyedCart, create_or_touch};
use crate::{
    db::{
        entity::checkout_draft,
        txn::{self, Abort, Work},
    },
    model::{Contact, ShopError},
    shop::discounts::CODE_LEN_MAX,
};

/// Maximum number of characters stored per field; no field may be longer.
const DRAFT_FIELD_LEN_MAX: usize = 300;

/// The checkout fields filled in so far. Never contains card data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutDraft {
    #[serde(flatten)]
    pub contact: Contact,
    /// The discount code, folded; empty if there is none.
    #[serde(default)]
    pub code: String,
}

impl Carts<'_> {
    /// Stores the checkout draft of a cart, and creates the cart if necessary.
    pub async fn save_draft(self, cart_id: Uuid, draft: &CheckoutDraft) -> Result<(), ShopError> {
        let draft = draft.clone();
        let cart = KeyedCart {
            cart_id,
            claim: None,
        };
        self.write_cart("save checkout draft", cart, move |work| {
            let draft = draft.clone();
            Box::pin(async move {
                create_or_touch(work, cart_id).await?;
                write_draft(work, cart_id, &draft).await
            })
        })
        .await
        .result
        .map_err(ShopError::from)
    }

    /// Returns the checkout draft of a cart; it is empty if none is stored.
    pub async fn draft(self, cart_id: Option<Uuid>) -> Result<CheckoutDraft, ShopError> {
        let Some(cart_id) = cart_id else {
            return Ok(CheckoutDraft::default());
        };
        let row = checkout_draft::Entity::find_by_id(cart_id)
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        // A draft in an older format is not an error: the shopper fills in the form again.
        Ok(row
            .and_then(|row| serde_json::from_str(&row.fields).ok())
            .unwrap_or_default())
    }
}

/// Replaces the stored draft, with each field cut to its maximum length.
pub(super) async fn write_draft(
    work: &Work,
    cart_id: Uuid,
    draft: &CheckoutDraft,
) -> Result<(), Abort> {
    let clip = |field: &str| field.chars().take(DRAFT_FIELD_LEN_MAX).collect();
    let clipped = CheckoutDraft {
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

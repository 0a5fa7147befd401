//! The breakdown of an amount, as rows of a description list.

use leptos::prelude::*;

use crate::model::Bill;

/// Shows subtotal, discount, shipping and tax. The page shows the total elsewhere, in larger type.
#[component]
pub fn BillRows(bill: Bill) -> impl IntoView {
    let discount = (bill.discount.cents > 0).then(|| {
        view! { <dt>"Discount"</dt><dd>{format!("−{}", bill.discount)}</dd> }
    });
    let shipping = if bill.shipping.cents == 0 {
        "Free".to_owned()
    } else {
        bill.shipping.to_string()
    };
    view! {
        <dt>"Subtotal"</dt><dd>{bill.subtotal.to_string()}</dd>
        {discount}
        <dt>"Shipping"</dt><dd>{shipping}</dd>
        <dt>{tax_label(bill.tax_basis_points)}</dt><dd>{bill.tax.to_string()}</dd>
    }
}

/// Returns a label such as `Tax included (19 %)`.
pub fn tax_label(basis_points: i32) -> String {
    format!("Tax included ({} %)", f64::from(basis_points) / 100.0)
}

//! `/orders/find`: finds an order by its number and the customer's e-mail address.

use leptos::prelude::*;

use super::{
    form_error::FormError,
    form_key::FormPage,
    frame::{Bundle, Page, framed},
    page_head::PageHead,
    refill,
};
use crate::{
    ui::field::{Field, FieldKind},
    web::session::Notice,
};

/// `/orders/find`
#[component]
pub fn FindOrderPage() -> impl IntoView {
    framed(|visit| async move {
        let notice = visit.take_notice().await?;
        let body = view! { <FindOrderView notice/> };
        Ok(Page::private("Find your order", Bundle::None, body))
    })
}

#[component]
fn FindOrderView(notice: Option<Notice>) -> impl IntoView {
    let typed = |field| refill::typed(notice.as_ref(), field, "");
    let (number, email) = (typed("number"), typed("email"));
    view! {
        <main class="page page--narrow" id="main" tabindex="-1">
            <PageHead title="Find your order" lead="Enter your order number and e-mail address."/>
            <FormError notice consequence="Check the order number and the e-mail address."/>
            <form class="panel gate" method="post" action="/api/form/orders/find">
                <FormPage/>
                <Field name="number" label="Order number" kind=FieldKind::text("off") value=number hint="For example DB-000042."/>
                <Field
                    name="email"
                    label="E-mail"
                    kind=FieldKind { input: "email", autocomplete: "email", keyboard: "email" }
                    value=email
                />
                <button class="btn btn--primary btn--big" type="submit">"Find order"</button>
            </form>
        </main>
    }
}

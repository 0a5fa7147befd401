//! `/admin/login`: the administrator's sign-in page.

use leptos::prelude::*;

use crate::{
    ui::notice::ErrorNotice,
    web::pages::frame::{Bundle, Page, framed},
};

/// `/admin/login`
#[component]
pub fn LoginPage() -> impl IntoView {
    framed(|visit| async move {
        let error = visit
            .take_notice()
            .await?
            .map(|notice| notice.error.to_string());
        let body = view! { <LoginView error/> };
        Ok(Page::private("Admin sign-in", Bundle::None, body))
    })
}

#[component]
fn LoginView(error: Option<String>) -> impl IntoView {
    let described_by = error.is_some().then_some("problem");
    view! {
        <main class="page page--narrow" id="main" tabindex="-1">
            <div class="page-head">
                <h1>"Admin sign-in"</h1>
                <p class="page-head__lead">"Sign in to manage stock, orders and simulations."</p>
            </div>
            {error.map(|title| view! {
                <ErrorNotice title><p>"The server printed the password at its first start, unless ADMIN_PASSWORD is set."</p></ErrorNotice>
            })}
            <form class="panel gate" method="post" action="/api/form/admin/login">
                <div class="field">
                    <label class="field__label" for="password">"Password"</label>
                    <input
                        class="field__input"
                        id="password"
                        name="password"
                        type="password"
                        autocomplete="current-password"
                        required
                        aria-describedby=described_by
                    />
                </div>
                <button class="btn btn--primary btn--big" type="submit">"Sign in"</button>
            </form>
        </main>
    }
}

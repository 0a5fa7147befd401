//! `/admin/login`

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
        Ok(Page::private("Staff door", Bundle::None, body))
    })
}

#[component]
fn LoginView(error: Option<String>) -> impl IntoView {
    let described_by = error.is_some().then_some("problem");
    view! {
        <main class="page page--narrow" id="main" tabindex="-1">
            <div class="page-head">
                <h1>"Staff door"</h1>
                <p class="page-head__lead">"Sign in to see the stock audit, the orders and the simulation runs."</p>
            </div>
            {error.map(|title| view! {
                <ErrorNotice title><p>"The password was printed when the shop first started, unless ADMIN_PASSWORD sets it."</p></ErrorNotice>
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

//! `/admin/login`: the administrator's sign-in page.

use leptos::prelude::*;

use crate::web::{
    pages::{
        form_error::FormError,
        form_key::FormPage,
        frame::{Bundle, Page, framed},
        page_head::PageHead,
    },
    session::Notice,
};

/// `/admin/login`
#[component]
pub fn LoginPage() -> impl IntoView {
    framed(|visit| async move {
        let notice = visit.take_notice().await?;
        let is_interrupted = visit.has_interrupted_form();
        let body = view! { <LoginView notice is_interrupted/> };
        Ok(Page::private("Admin sign-in", Bundle::None, body))
    })
}

#[component]
fn LoginView(
    notice: Option<Notice>,
    /// True if the visitor sent a form after their session had ended.
    is_interrupted: bool,
) -> impl IntoView {
    let lead = if is_interrupted {
        "Your session has ended. Sign in to continue: what you typed is kept."
    } else {
        "Sign in to manage stock, orders and simulations."
    };
    let described_by = notice.is_some().then_some("problem");
    view! {
        <main class="page page--narrow" id="main" tabindex="-1">
            <PageHead title="Admin sign-in" lead/>
            <FormError notice consequence="The server printed the password at its first start, unless ADMIN_PASSWORD is set."/>
            <form class="panel gate" method="post" action="/api/form/admin/login">
                <FormPage/>
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
            <p class="quiet"><a href="/admin/health/guide">"Incident guide"</a></p>
        </main>
    }
}

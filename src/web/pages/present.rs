//! `/present/{id}`: a run for an audience, large and read-only, for anyone who has the link.

use leptos::prelude::*;
use leptos_router::hooks::{use_params_map, use_query_map};

use super::frame::{Bundle, Page, framed};
use crate::{
    islands::workbench::Present,
    model::Presentation,
    web::{qr_code::qr_code, runs},
};

/// `/present/{id}`
#[component]
pub fn PresentPage() -> impl IntoView {
    let id = use_params_map()
        .get_untracked()
        .get("id")
        .unwrap_or_default();
    // The host of an address of this machine, which the presenter chose on the run's page.
    let host = use_query_map().get_untracked().get("at");
    framed(|visit| async move {
        let run = runs::find(visit.shop(), visit.runs(), &id).await?;
        let audience = visit.audience();
        let origin = audience.origin(host.as_deref());
        let address = format!("{origin}/present/{}", run.id);
        let presentation = Presentation::of(&run);
        let is_over = presentation.state.is_over();
        let body = view! { <PresentView presentation address/> };
        let page = Page::bare(run.name, Bundle::Workbench, body);
        // Without JavaScript the page reloads itself to follow the run.
        Ok(if is_over {
            page
        } else {
            page.refreshed_after(2)
        })
    })
}

#[component]
fn PresentView(presentation: Presentation, address: String) -> impl IntoView {
    let code = qr_code(&address, format!("QR code of {address}"));
    view! {
        <main class="present" id="main" tabindex="-1">
            <Present presentation>
                {code}
                <p class="present__address"><span>"Watch on your own screen"</span>" "<span class="code-no">{address.clone()}</span></p>
            </Present>
        </main>
    }
}

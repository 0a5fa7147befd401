//! The routes of the pages.

use leptos::{nonce::use_nonce, prelude::*};
use leptos_axum::ResponseOptions;
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};

use super::{pages, security};

/// Renders the body of a document. A page without islands loads only `page.js`.
pub fn body() -> impl IntoView {
    if let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>())
        && let Ok(policy) = security::content_security_policy(&nonce).parse()
    {
        response.insert_header(axum::http::header::CONTENT_SECURITY_POLICY, policy);
    }
    view! { <App/> }
}

/// Routes every page. The server renders a page completely before it sends the first byte: a page
/// that streams in pieces needs JavaScript to place them, and can no longer change its status.
#[component]
pub fn App() -> impl IntoView {
    view! {
        <Router>
            <Routes fallback=pages::NotFoundPage>
                <Route path=path!("/") view=pages::HomePage ssr=SsrMode::Async/>
                <Route path=path!("/categories/:slug") view=pages::CategoryPage ssr=SsrMode::Async/>
                <Route path=path!("/search") view=pages::SearchPage ssr=SsrMode::Async/>
                <Route path=path!("/products/:slug") view=pages::ProductPage ssr=SsrMode::Async/>
                <Route path=path!("/cart") view=pages::CartPage ssr=SsrMode::Async/>
                <Route path=path!("/checkout") view=pages::CheckoutPage ssr=SsrMode::Async/>
                <Route path=path!("/checkout/now") view=pages::CheckoutPage ssr=SsrMode::Async/>
                <Route path=path!("/cookies") view=pages::CookiesPage ssr=SsrMode::Async/>
                <Route path=path!("/api/docs") view=pages::ApiDocsPage ssr=SsrMode::Async/>
                <Route path=path!("/api/problems") view=pages::ProblemTypesPage ssr=SsrMode::Async/>
                <Route path=path!("/orders/find") view=pages::FindOrderPage ssr=SsrMode::Async/>
                <Route path=path!("/orders/:public_id") view=pages::OrderPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/login") view=pages::admin::LoginPage ssr=SsrMode::Async/>
                <Route path=path!("/admin") view=pages::admin::OverviewPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/health") view=pages::admin::HealthPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/health/guide") view=pages::admin::GuidePage ssr=SsrMode::Async/>
                <Route path=path!("/admin/orders/:public_id") view=pages::admin::AdminOrderPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/products") view=pages::admin::ProductsPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/products/:slug") view=pages::admin::ProductSalePage ssr=SsrMode::Async/>
                <Route path=path!("/admin/stock") view=pages::admin::StockPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/discounts") view=pages::admin::DiscountsPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/events") view=pages::admin::EventsPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/redis") view=pages::admin::GatesPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/redis/:product_id") view=pages::admin::GatePage ssr=SsrMode::Async/>
                <Route path=path!("/admin/queue") view=pages::admin::QueuePage ssr=SsrMode::Async/>
                <Route path=path!("/admin/lessons") view=pages::admin::LessonsPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/strategies/:key") view=pages::admin::StrategyPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/stepper") view=pages::admin::StepperPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/stepper/:id") view=pages::admin::StepperSessionPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/simulations") view=pages::admin::SimulationsPage ssr=SsrMode::Async/>
                <Route path=path!("/present/:id") view=pages::PresentPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/simulations/runs") view=pages::admin::RunsPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/simulations/compare") view=pages::admin::ComparePage ssr=SsrMode::Async/>
                <Route path=path!("/admin/simulations/:id/certificate") view=pages::admin::CertificatePage ssr=SsrMode::Async/>
                <Route path=path!("/admin/simulations/:id/samples") view=pages::admin::SamplesPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/simulations/:id/locks") view=pages::admin::RunLocksPage ssr=SsrMode::Async/>
                <Route path=path!("/admin/simulations/:id") view=pages::admin::SimulationRunPage ssr=SsrMode::Async/>
            </Routes>
        </Router>
    }
}

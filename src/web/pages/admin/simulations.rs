//! `/admin/simulations`: start a run, open an earlier one.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{RunsTable, Subnav, plan_form::PlanFields};
use crate::{
    islands::workbench::Keys,
    model::{
        Product, RunSnapshot, SimulationPlan,
        plan::{PRESETS, PlanForm},
    },
    simulation::store,
    ui::notice::ErrorNotice,
    web::{
        pages::frame::{Bundle, Page, framed},
        session::Notice,
    },
};

const RUNS_SHOWN: u64 = 50;

/// `/admin/simulations`, with a plan typed in that its address may name.
#[component]
pub fn SimulationsPage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    framed(|visit| async move {
        visit.require_admin().await?;
        let products = visit.shop().products(None).await?;
        let runs = store::latest(visit.shop().db(), RUNS_SHOWN).await?;
        let notice = visit.take_notice().await?;
        let mut form = PlanForm::from(&SimulationPlan::preset());
        form.overlay(|field| query.get(field));
        form.overlay(|field| notice.as_ref()?.typed(field).map(ToOwned::to_owned));
        let body = view! { <SimulationsView products runs form notice/> };
        Ok(Page::private("Simulations", Bundle::Workbench, body))
    })
}

#[component]
fn SimulationsView(
    products: Vec<Product>,
    runs: Vec<RunSnapshot>,
    form: PlanForm,
    notice: Option<Notice>,
) -> impl IntoView {
    let problem = notice.as_ref().map(|notice| notice.error.to_string());
    view! {
        <main class="page" id="main" tabindex="-1">
            <Keys/>
            <Subnav current="/admin/simulations"/>
            <div class="page-head">
                <h1>"Simulate a rush"</h1>
                <p class="page-head__lead">
                    "Send a crowd of buyers at one shelf at the same moment, and count what was sold against what was there."
                </p>
            </div>
            {problem.map(|title| view! { <ErrorNotice title><p>"No run was started."</p></ErrorNotice> })}
            <Presets form=form.clone()/>
            <PlanFields products form notice/>
            <RunsTable runs caption="Runs so far" full=true/>
            <p class="run__actions"><a class="btn btn--line" href="/admin/simulations/runs">"Filter and compare runs"</a></p>
        </main>
    }
}

/// Plans that tell a story: each is a link that types it in.
#[component]
fn Presets(
    /// What is typed in now.
    form: PlanForm,
) -> impl IntoView {
    let items = PRESETS
        .iter()
        .map(|preset| {
            let plan = PlanForm::from(&preset.plan());
            let chosen = (plan == form).then_some("true");
            view! {
                <li class="preset">
                    <a class="preset__name" href=format!("{}#bench", plan.address()) aria-current=chosen>{preset.name}</a>
                    <p class="preset__story">{preset.story}</p>
                </li>
            }
        })
        .collect_view();
    view! {
        <section aria-labelledby="presets-title">
            <h2 class="section-title" id="presets-title">"Start from a story"</h2>
            <ul class="presets">
                {items}
                <li class="preset">
                    <a class="preset__name" href="/admin/stepper">"One statement at a time"</a>
                    <p class="preset__story">"No crowd, but a few buyers whom you let go statement by statement, in the order you choose."</p>
                </li>
            </ul>
        </section>
    }
}

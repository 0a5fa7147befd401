//! `/admin/simulations`: starts a run, and lists earlier ones.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::{RunsTable, Subnav, plan_form::PlanFields};
use crate::{
    islands::workbench::Keys,
    model::{
        Product, SimulationPlan,
        plan::{PRESETS, PlanForm},
    },
    simulation::store::{self, ListedRun},
    web::{
        AppState,
        pages::{
            form_error::FormError,
            frame::{Bundle, Page, framed},
            page_head::PageHead,
        },
        session::Notice,
    },
};

const RUNS_SHOWN: u64 = 50;

/// `/admin/simulations`. The query string may contain a plan, which fills in the form.
#[component]
pub fn SimulationsPage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    framed(|visit| async move {
        let administrator = visit.require_admin().await?;
        let engine = visit.engine(&administrator);
        let has_writers = engine.has_writers(visit.shop().db()).await;
        let products = visit.catalog().products().await?;
        let runs = store::latest(visit.shop().db(), RUNS_SHOWN).await?;
        let notice = visit.take_notice().await?;
        let mut form = PlanForm::from(&SimulationPlan::preset());
        form.overlay(|field| query.get(field));
        form.overlay(|field| notice.as_ref()?.typed(field).map(ToOwned::to_owned));
        let body = view! { <SimulationsView products runs form notice has_writers/> };
        Ok(Page::private("Simulations", Bundle::Workbench, body))
    })
}

#[component]
fn SimulationsView(
    products: Vec<Product>,
    runs: Vec<ListedRun>,
    form: PlanForm,
    notice: Option<Notice>,
    has_writers: bool,
) -> impl IntoView {
    view! {
        <main class="page" id="main" tabindex="-1">
            <Keys/>
            <Subnav current="/admin/simulations"/>
            <PageHead title="Simulate a flash sale" lead="Many buyers order one product at once. See if the shop oversells."/>
            <FormError notice=notice.clone() consequence="No run was started."/>
            <Presets form=form.clone() has_writers/>
            <PlanFields products form notice has_writers/>
            <RunsTable runs caption="Recent runs" full=true/>
            <p class="run__actions"><a class="btn btn--line" href="/admin/simulations/runs">"Filter and compare runs"</a></p>
        </main>
    }
}

/// Lists the presets: each is a link that fills in the form.
#[component]
fn Presets(
    /// The form's current values.
    form: PlanForm,
    has_writers: bool,
) -> impl IntoView {
    let shop = use_context::<AppState>().map(|state| state.shop.clone());
    let items = PRESETS
        .iter()
        .map(|preset| {
            let plan = preset.plan();
            let against = shop.as_ref().and_then(|shop| {
                let (engine, has_redis) = (shop.db().engine(), shop.gate().is_some());
                let mut strategies = plan.strategies.iter();
                strategies.find_map(|key| key.reason_against(engine, has_redis))
            });
            let needs_cluster = plan.writers.is_some() && !has_writers;
            let against = against.or_else(|| {
                needs_cluster.then(|| "without a cluster and DATABASE_NODES".to_owned())
            });
            let arrivals_s = plan.arrivals_ms().div_ceil(1_000);
            let lasts = match against {
                None => format!("Buyers arrive over {arrivals_s} s."),
                Some(reason) => format!("Not available {reason}."),
            };
            let plan = PlanForm::from(&plan);
            let chosen = (plan == form).then_some("true");
            view! {
                <li class="preset">
                    <a class="preset__name" href=format!("{}#bench", plan.address()) aria-current=chosen>{preset.name}</a>
                    <p class="preset__description">{preset.description}</p>
                    <p class="preset__lasts">{lasts}</p>
                </li>
            }
        })
        .collect_view();
    view! {
        <section aria-labelledby="presets-title">
            <h2 class="section-title" id="presets-title">"Start from a preset"</h2>
            <ul class="presets">
                {items}
                <li class="preset">
                    <a class="preset__name" href="/admin/stepper">"One statement at a time"</a>
                    <p class="preset__description">"Step a few buyers through their statements, in any order."</p>
                </li>
            </ul>
        </section>
    }
}

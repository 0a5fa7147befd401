//! The panel on a run's page to download its results and to share it.

use leptos::prelude::*;

use crate::{
    islands::workbench::{CopyText, SaveAsPng},
    model::RunSnapshot,
    web::qr_code::qr_code,
};

/// The downloads of a run: the end of the path, the name and the contents.
const FILES: [(&str, &str, &str); 5] = [
    (
        "export.html",
        "Replay (HTML)",
        "Interactive replay in one file. Works offline.",
    ),
    (
        "export.json",
        "Everything (JSON)",
        "Plan, samples and verdicts.",
    ),
    (
        "export.csv",
        "Samples (CSV)",
        "One row per sample and lane.",
    ),
    (
        "figures.csv",
        "Figures (CSV)",
        "One row per lane with a verdict.",
    ),
    ("export.svg", "Picture (SVG)", "Charts and results."),
];

/// Links to the certificate, the comparison, the downloads and the page for an audience.
#[component]
pub fn ExportPanel(run: RunSnapshot, public_url: String) -> impl IntoView {
    let address = format!("/admin/simulations/{}", run.id);
    let is_over = run.state.is_over();
    let certificate = is_over.then(|| {
        view! { <a class="btn btn--primary" href=format!("{address}/certificate")>"Certificate"</a> }
    });
    let hint = if is_over {
        "Download the results of this run."
    } else {
        "Results so far. The certificate is available when the run ends."
    };
    let files = FILES.map(|(end, name, contents)| {
        view! {
            <li>
                <a class="btn btn--line" href=format!("{address}/{end}") download="">{name}</a>
                <span class="quiet">{contents}</span>
            </li>
        }
    });
    view! {
        <section class="panel keep" aria-labelledby="keep">
            <h2 class="panel__title" id="keep">"Export and share"</h2>
            <div class="run__actions keep__first">
                {certificate}
                <a class="btn btn--line" href="/admin/simulations/runs">"Compare with other runs"</a>
            </div>
            <Present id=run.id.clone() public_url/>
            <p class="keep__hint">{hint}</p>
            <ul class="keep__files">
                {files.collect_view()}
                <li>
                    <SaveAsPng picture=format!("{address}/export.svg") name=format!("doorbuster-{}-curves.png", run.id)/>
                </li>
            </ul>
        </section>
    }
}

/// The link to the page for an audience, to open, copy or scan.
#[component]
fn Present(id: String, public_url: String) -> impl IntoView {
    let path = format!("/present/{id}");
    let address = format!("{public_url}{path}");
    let code = qr_code(&address, format!("QR code of {address}"));
    view! {
        <details class="keep__present">
            <summary>"Present"</summary>
            <div class="keep__share">
                {code}
                <div>
                    <p>"Anyone with this link can watch the run, nothing else. No sign-in needed."</p>
                    <p><a class="code-no" href=path data-testid="present-address">{address.clone()}</a></p>
                    <CopyText text=address/>
                    <p class="quiet">
                        "Keys on that page: "<kbd>"F"</kbd>" full screen, "<kbd>"B"</kbd>" blank screen, "<kbd>"T"</kbd>" table instead of chart, "
                        <kbd>"Q"</kbd>" QR code, "<kbd>"H"</kbd>" these keys."
                    </p>
                </div>
            </div>
        </details>
    }
}

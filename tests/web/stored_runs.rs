//! Stored runs over HTTP: downloads, comparison, list and certificate.

use std::path::PathBuf;

use axum::http::StatusCode;
use doorbuster::{
    feed::Feed,
    model::{SimulationPlan, StrategyKey},
    simulation::Engine,
};

use super::support::{TestResponse, TestShop, Visitor, administrator};

const UNKNOWN_ID: &str = "01890000-0000-7000-8000-000000000000";
const FILES: [(&str, &str); 5] = [
    ("export.csv", "text/csv; charset=utf-8"),
    ("figures.csv", "text/csv; charset=utf-8"),
    ("export.json", "application/json"),
    ("export.html", "text/html; charset=utf-8"),
    ("export.svg", "image/svg+xml"),
];

/// Runs a simulation to its end; returns the run's id.
pub async fn run(shop: &TestShop, strategies: &[StrategyKey], seed: u64) -> String {
    let engine = Engine::new(shop.database.url().to_owned(), Feed::default());
    let plan = SimulationPlan {
        strategies: strategies.to_vec(),
        buyers: 6,
        stock: 4,
        seed,
        ..SimulationPlan::preset()
    };
    let started = engine
        .start(&administrator(), plan)
        .await
        .expect("the run starts");
    engine
        .finish(started, &[], |_| {})
        .await
        .expect("the run ends")
        .id
}

async fn signed_in_visitor(shop: &TestShop) -> Visitor {
    let mut admin = Visitor::of(shop);
    admin.sign_in(shop).await;
    admin
}

#[tokio::test]
async fn the_file_name_of_a_download_contains_the_runs_id() {
    let shop = TestShop::new().await;
    let id = run(&shop, &[StrategyKey::RowLock], 1).await;
    let mut admin = signed_in_visitor(&shop).await;
    let page = admin.page(&format!("/admin/simulations/{id}")).await.body;
    for (file, media_type) in FILES {
        let address = format!("/admin/simulations/{id}/{file}");
        assert!(
            page.contains(&format!("href=\"{address}\"")),
            "{file} in {page}"
        );
        let answer = admin.page(&address).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        assert_eq!(answer.header("content-type"), media_type);
        let disposition = answer.header("content-disposition");
        assert!(
            disposition.starts_with(&format!("attachment; filename=\"doorbuster-{id}-")),
            "{disposition}"
        );
        assert!(answer.body.contains("row-lock"), "{}", answer.body);
        for unknown in [UNKNOWN_ID, "nonsense"] {
            let missing = admin
                .page(&format!("/admin/simulations/{unknown}/{file}"))
                .await;
            assert_eq!(missing.status, StatusCode::NOT_FOUND, "{unknown}/{file}");
        }
        let stranger = Visitor::of(&shop).page(&address).await;
        assert_eq!(stranger.header("location"), "/admin/login");
    }
    let json = admin
        .page(&format!("/admin/simulations/{id}/export.json"))
        .await;
    let json: serde_json::Value = serde_json::from_str(&json.body).expect("JSON");
    for time in [&json["exportedAt"], &json["run"]["startedAt"]] {
        let format = &time::format_description::well_known::Rfc3339;
        let time = time.as_str().expect("text");
        assert!(time::OffsetDateTime::parse(time, format).is_ok(), "{time}");
    }
    let picture = admin
        .page(&format!("/admin/simulations/{id}/export.svg"))
        .await;
    assert!(
        picture
            .header("content-security-policy")
            .contains("style-src 'unsafe-inline'")
    );
    assert!(
        !picture.body.contains("<!"),
        "the SVG contains no HTML markers: {}",
        picture.body
    );
    let line = StrategyKey::RowLock.line();
    let rule = format!(".lane-line--row-lock {{ stroke: {}", line.colour);
    assert!(picture.body.contains(&rule), "{rule} in {}", picture.body);
    let replay = admin
        .page(&format!("/admin/simulations/{id}/export.html"))
        .await;
    for colour in [line.colour, line.colour_dark] {
        let property = format!("--s-row-lock: {colour};");
        assert!(
            replay.body.contains(&property),
            "{property} in {}",
            replay.body
        );
    }
}

/// Another version may have stored it, or a person has changed it by hand.
#[tokio::test]
async fn a_run_that_cannot_be_read_is_one_row_of_each_list() {
    let shop = TestShop::new().await;
    let whole = run(&shop, &[StrategyKey::RowLock], 1).await;
    let mut admin = signed_in_visitor(&shop).await;
    let damages = [
        "plan = '{}'",
        "plan = 'not JSON'",
        "verdict = '7'",
        "events = '7'",
    ];
    for (damage, seed) in damages.into_iter().zip(2..) {
        let damaged = run(&shop, &[StrategyKey::RowLock], seed).await;
        let update = format!("UPDATE simulation_run SET {damage} WHERE id = '{damaged}'");
        shop.by_hand.run(&update).await;
        for list in ["/admin", "/admin/simulations", "/admin/simulations/runs"] {
            let page = admin.page(list).await;
            assert_eq!(page.status, StatusCode::OK, "{list}: {}", page.body);
            assert!(page.body.contains("Cannot be read"), "{}", page.body);
            for id in [&whole, &damaged] {
                let link = format!("href=\"/admin/simulations/{id}\"");
                assert!(page.body.contains(&link), "{link} in {}", page.body);
            }
        }
        let own = admin.page(&format!("/admin/simulations/{damaged}")).await;
        assert_eq!(own.status, StatusCode::OK, "{damage}: {}", own.body);
        assert!(own.body.contains("This run cannot be read"), "{}", own.body);
        for (file, _) in FILES {
            let address = format!("/admin/simulations/{damaged}/{file}");
            let answer = admin.page(&address).await;
            assert_eq!(answer.status, StatusCode::CONFLICT, "{damage}: {file}");
        }
    }
    let with_outcome = admin.page("/admin/simulations/runs?outcome=passed").await;
    assert!(with_outcome.body.contains(&whole), "{}", with_outcome.body);
    let hidden = !with_outcome.body.contains("Cannot be read");
    assert!(hidden, "its outcome is not known: {}", with_outcome.body);
}

#[tokio::test]
async fn locks_that_cannot_be_read_are_missing_and_damaged_samples_are_said() {
    let shop = TestShop::new().await;
    let id = run(&shop, &[StrategyKey::RowLock], 1).await;
    let mut admin = signed_in_visitor(&shop).await;
    let own = format!("/admin/simulations/{id}");
    let locks = "UPDATE simulation_lock_picture SET picture = 'not JSON'";
    shop.by_hand.run(locks).await;
    let page = admin.page(&own).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(!page.body.contains("cannot be read"), "{}", page.body);
    let samples = "UPDATE simulation_sample SET counts = '7'";
    shop.by_hand.run(samples).await;
    let page = admin.page(&own).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    assert!(
        page.body.contains("This run cannot be read"),
        "{}",
        page.body
    );
}

#[tokio::test]
async fn two_to_four_different_runs_are_compared() {
    let shop = TestShop::new().await;
    let mut ids = Vec::new();
    for (strategies, seed) in [
        (&[StrategyKey::RowLock][..], 1),
        (&[StrategyKey::RowLock][..], 1),
        (
            &[StrategyKey::ConditionalUpdate, StrategyKey::RowLock][..],
            2,
        ),
        (&[StrategyKey::Optimistic][..], 1),
        (&[StrategyKey::RowLock][..], 3),
    ] {
        ids.push(run(&shop, strategies, seed).await);
    }
    let mut admin = signed_in_visitor(&shop).await;
    let address = |ids: &[String]| {
        let runs: Vec<_> = ids.iter().map(|id| format!("run={id}")).collect();
        format!("/admin/simulations/compare?{}", runs.join("&"))
    };
    for (chosen, expected) in [(0, 422), (1, 422), (2, 200), (3, 200), (4, 200), (5, 422)] {
        let answer = admin.page(&address(&ids[..chosen])).await;
        assert_eq!(answer.status.as_u16(), expected, "{chosen}");
        if expected == 422 {
            assert!(
                answer.body.contains("Choose 2 to 4 runs"),
                "{}",
                answer.body
            );
            assert!(
                answer.body.contains(&ids[0]),
                "the page lists the runs again"
            );
        }
    }
    // Another spelling of the same id does not count as a second run.
    let twice = [ids[0].clone(), ids[0].to_uppercase()];
    assert_eq!(admin.page(&address(&twice)).await.status.as_u16(), 422);

    let repeats = admin.page(&address(&ids[..2])).await.body;
    assert!(
        repeats.contains("these runs are repeats of each other"),
        "{repeats}"
    );
    assert!(repeats.contains("The plan of A, B: 2 runs"), "{repeats}");
    assert!(
        repeats.contains("these runs cannot show a difference"),
        "{repeats}"
    );
    for rating in [", better<", ", worse<"] {
        assert!(!repeats.contains(rating), "{rating} in {repeats}");
    }
    let once_each = admin.page(&address(&ids[3..])).await.body;
    assert!(
        once_each.contains("one run says nothing about a difference"),
        "{once_each}"
    );
    let lanes = admin.page(&address(&ids[1..3])).await.body;
    for part in [
        "A · row-lock",
        "B · conditional-update",
        "B · row-lock",
        "against A · row-lock",
        "<tr><th scope=\"row\">Seed</th><td>1</td><td>2</td>",
    ] {
        assert!(lanes.contains(part), "{part} in {lanes}");
    }
    assert!(
        lanes.contains("The plan of A: 2 runs"),
        "a repeat that was not selected counts too"
    );
    for unknown in [UNKNOWN_ID, "nonsense", ""] {
        let unknown = [ids[0].clone(), unknown.to_owned()];
        assert_eq!(
            admin.page(&address(&unknown)).await.status,
            StatusCode::NOT_FOUND,
            "{unknown:?}"
        );
    }
}

#[tokio::test]
async fn the_list_is_filtered_and_rejects_unknown_values() {
    let shop = TestShop::new().await;
    let row_lock = run(&shop, &[StrategyKey::RowLock], 1).await;
    let optimistic = run(&shop, &[StrategyKey::Optimistic], 1).await;
    let mut admin = signed_in_visitor(&shop).await;
    for (query, expected) in [
        ("", [true, true]),
        ("?strategy=&outcome=", [true, true]),
        ("?strategy=row-lock", [true, false]),
        ("?strategy=optimistic&outcome=passed", [false, true]),
        ("?outcome=not-passed", [false, false]),
    ] {
        let answer = admin.page(&format!("/admin/simulations/runs{query}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let found = [&row_lock, &optimistic].map(|id| answer.body.contains(id.as_str()));
        assert_eq!(found, expected, "{query}");
    }
    for query in ["strategy=luck", "outcome=luck", "before=luck"] {
        let answer = admin
            .page(&format!("/admin/simulations/runs?{query}"))
            .await;
        assert_eq!(answer.status.as_u16(), 422, "{query}");
    }
}

#[tokio::test]
async fn a_certificate_is_available_when_the_run_ends() {
    let shop = TestShop::new().await;
    let id = run(&shop, &[StrategyKey::RowLock], 1).await;
    let mut admin = signed_in_visitor(&shop).await;
    let page = admin
        .page(&format!("/admin/simulations/{id}/certificate"))
        .await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "It holds",
        "SELECT available AS remaining",
        "REPEATABLE READ",
        "None of ",
        &id,
    ] {
        assert!(page.body.contains(part), "{part} in {}", page.body);
    }
    assert!(
        !page.body.contains("product_id = $1"),
        "psql does not know parameters: {}",
        page.body
    );
    for unknown in [UNKNOWN_ID, "nonsense"] {
        let answer = admin
            .page(&format!("/admin/simulations/{unknown}/certificate"))
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let engine = Engine::new(shop.database.url().to_owned(), Feed::default());
    let started = engine
        .start(&administrator(), SimulationPlan::preset())
        .await
        .expect("the run starts");
    let open = format!("/admin/simulations/{}/certificate", started.id());
    let answer = admin.page(&open).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(
        answer.body.contains("The run is still in progress"),
        "{}",
        answer.body
    );
    engine
        .finish(started, &[], |_| {})
        .await
        .expect("the run ends");
    assert_eq!(admin.page(&open).await.status, StatusCode::OK);
}

/// Over HTTP and in the process of the run are different measurements.
#[tokio::test(flavor = "multi_thread")]
async fn the_servers_of_a_run_are_named_under_its_title() {
    let shop = TestShop::new().await;
    let here = run(&shop, &[StrategyKey::RowLock], 1).await;
    let engine = Engine::new(shop.database.url().to_owned(), Feed::default())
        .with_server_program(PathBuf::from(env!("CARGO_BIN_EXE_doorbuster")));
    let plan = SimulationPlan {
        buyers: 6,
        stock: 4,
        own_servers: 2,
        pool_size: 2,
        ..SimulationPlan::preset()
    };
    let started = engine.start(&administrator(), plan).await;
    let end = engine
        .finish(started.expect("it starts"), &[], |_| {})
        .await;
    let on_servers = end.expect("it ends").id;
    let mut admin = signed_in_visitor(&shop).await;
    for (page, line) in [
        ("", "6 buyers on 2 servers, 4 units"),
        ("/certificate", "row-lock, on 2 servers, of "),
        ("/export.html", "replayed: 6 buyers on 2 servers, row-lock."),
    ] {
        let path = format!("/admin/simulations/{on_servers}{page}");
        let named = admin.page(&path).await.body;
        assert!(named.contains(line), "{path}: {named}");
        let path = format!("/admin/simulations/{here}{page}");
        let other = admin.page(&path).await.body;
        assert!(!other.contains("2 servers"), "{path}: {other}");
    }
    for list in ["/admin", "/admin/simulations", "/admin/simulations/runs"] {
        let listed = admin.page(list).await.body;
        let named = listed.matches(">on 2 servers<").count();
        assert_eq!(named, 1, "{list}: {listed}");
    }
}

#[tokio::test]
async fn a_run_is_called_by_its_name_on_every_page_and_in_every_export() {
    let shop = TestShop::new().await;
    let id = run(&shop, &[StrategyKey::RowLock], 1).await;
    let other = run(&shop, &[StrategyKey::Optimistic], 1).await;
    let mut admin = signed_in_visitor(&shop).await;
    let page = format!("/admin/simulations/{id}");
    let title = "6 buyers, 4 units · row-lock";
    let named = admin.page(&page).await.body;
    assert!(named.contains(&format!("<h1>{title}</h1>")), "{named}");

    let fields = format!("id={id}&name=+Team+A%0D%0A&note=third%0D%0Atry");
    let answer = rename(&mut admin, &page, &fields).await;
    assert_eq!(answer.header("location"), page);
    for path in [
        page.as_str(),
        "/admin",
        "/admin/simulations",
        "/admin/simulations/runs",
        &format!("/admin/simulations/compare?run={id}&run={other}"),
        &format!("{page}/certificate"),
        &format!("/present/{id}"),
        &format!("{page}/export.html"),
        &format!("{page}/export.json"),
        &format!("{page}/figures.csv"),
        &format!("{page}/export.svg"),
    ] {
        let answer = admin.page(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(answer.body.contains("Team A"), "{path}: {}", answer.body);
        let is_public = path.starts_with("/present");
        assert!(
            !is_public || !answer.body.contains("third"),
            "the note is private"
        );
    }
    let named = admin.page(&page).await.body;
    assert!(
        named.contains("<title>Team A – Doorbuster</title>"),
        "{named}"
    );
    assert!(named.contains("third\ntry"), "{named}");

    let long = format!("id={id}&name={}&note=kept", "x".repeat(81));
    assert_eq!(
        rename(&mut admin, &page, &long).await.header("location"),
        page
    );
    let rejected = admin.page(&page).await.body;
    for part in [
        "Use at most 80 characters, not 81.",
        "\nkept</textarea>",
        "<h1>Team A</h1>",
    ] {
        assert!(rejected.contains(part), "{part} in {rejected}");
    }
    let hostile = format!("id={id}&name=&note=%3C%2Ftextarea%3E%3Cscript%3Ealert(1)");
    rename(&mut admin, &page, &hostile).await;
    let harmless = admin.page(&page).await.body;
    assert!(!harmless.contains("<script>alert"), "{harmless}");
    assert!(harmless.contains("&lt;/textarea&gt;&lt;script&gt;alert(1)</textarea>"));
    let cleared = format!("id={id}&name=&note=");
    rename(&mut admin, &page, &cleared).await;
    let cleared = admin.page(&page).await.body;
    assert!(cleared.contains(&format!("<h1>{title}</h1>")), "{cleared}");
}

#[tokio::test]
async fn only_a_run_can_be_named_and_only_by_the_administrator() {
    let shop = TestShop::new().await;
    let id = run(&shop, &[StrategyKey::RowLock], 1).await;
    let path = "/api/form/admin/rename-simulation";
    let fields = format!("id={id}&name=Theirs");
    let stranger = Visitor::of(&shop).post_form(path, &fields).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED, "{stranger:?}");
    let mut admin = signed_in_visitor(&shop).await;
    for unknown in [UNKNOWN_ID, "nonsense", ""] {
        let answer = admin
            .post_form(path, &format!("id={unknown}&name=Ours"))
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    let named = shop
        .by_hand
        .value::<i64>("SELECT count(*) FROM simulation_run WHERE name IS NOT NULL")
        .await;
    assert_eq!(named, 0);
}

async fn rename(admin: &mut Visitor, page: &str, fields: &str) -> TestResponse {
    let path = "/api/form/admin/rename-simulation";
    admin.submit(page, path, fields).await
}

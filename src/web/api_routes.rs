//! The routes below `/api`, and the OpenAPI document that is made from them: a handler carries its
//! address, its method and its description, so a route cannot be in one and not in the other. The
//! document also describes the events that the shop sends.

use std::sync::LazyLock;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Tag,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
        tag::TagBuilder,
    },
};
use utoipa_axum::{router::UtoipaMethodRouter, routes};

use super::{
    AppState, api_pages,
    json::{
        events, forms, health,
        openapi::{self, ApiDocument},
        order,
        problem::ProblemJson,
        products, purchase, webhook,
    },
};

/// What callers of the API should know before they read on, in Markdown.
const ABOUT: &str = "\
An error is a problem document (RFC 9457): decide by its `type`, show its `detail`. The types are at \
[/api/problems](/api/problems). A path with a dot segment or an encoded separator is answered with 400, another \
method with 405 and `Allow`, a body of more than 64 KiB with 413.

Amounts are whole cents, times are RFC 3339 in UTC by the database's clock. Send every change with an \
`Idempotency-Key` (forms: the field `idempotency_key`), and send it again with the same key if there is no answer: it \
is carried out once.

Under `webhooks` are the events that the shop sends to a subscriber.";

/// A route with its description.
pub type ApiRoute = UtoipaMethodRouter<AppState>;

/// Returns every route below `/api` except those of forms, which one handler serves.
pub fn api_routes() -> Vec<ApiRoute> {
    vec![
        routes!(products::list),
        routes!(products::one),
        routes!(purchase::purchase),
        routes!(order::one),
        routes!(webhook::receive_event),
        routes!(health::liveness),
        routes!(openapi::document),
        routes!(api_pages::docs),
        routes!(api_pages::problems),
    ]
}

/// Returns the description of the API.
pub fn description() -> OpenApi {
    let mut paths = forms::paths();
    let mut schemas = vec![(ProblemJson::name().into_owned(), ProblemJson::schema())];
    ProblemJson::schemas(&mut schemas);
    schemas.extend(events::schemas());
    for (own_schemas, own_paths, _) in api_routes() {
        schemas.extend(own_schemas);
        paths.merge(own_paths);
    }
    let session = ApiKeyValue::with_description(
        "doorbuster",
        "The session of a signed-in administrator. Over https, the cookie is __Host-doorbuster.",
    );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Doorbuster")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(ABOUT)),
        )
        .paths(paths)
        .webhooks(Some(events::webhooks()))
        .components(Some(
            ComponentsBuilder::new()
                .schemas_from_iter(schemas)
                .security_scheme(
                    forms::SESSION,
                    SecurityScheme::ApiKey(ApiKey::Cookie(session)),
                )
                .build(),
        ))
        .tags(Some(tags()))
        .build()
}

/// The groups of operations, in the order of the page.
fn tags() -> [Tag; 6] {
    [
        ("Products", "The catalogue, with sales and stock."),
        ("Purchases", "Purchases in one call, and their orders."),
        ("Payments", "For the payment provider."),
        ("Server", "The server and its description."),
        (
            forms::SHOP_TAG,
            "Forms that the pages submit. A cart belongs to a session, whose cookie a program has to keep.",
        ),
        (
            forms::ADMIN_TAG,
            "They need the session of the administrator.",
        ),
    ]
    .map(|(name, about)| {
        TagBuilder::new()
            .name(name)
            .description(Some(about))
            .build()
    })
}

/// Returns the document of the API, which is written once.
pub fn document() -> ApiDocument {
    static DOCUMENT: LazyLock<ApiDocument> = LazyLock::new(|| ApiDocument::new(&description()));
    DOCUMENT.clone()
}

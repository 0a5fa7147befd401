//! The forms of the pages, for the OpenAPI document: programs may send them, too.
//!
//! A form is a server function. Its path and its fields are read from its type: every field is
//! optional text, or a list of texts, so the empty form shows all of them.

use leptos::server_fn::ServerFn;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::openapi::{
    Array, ContentBuilder, Header, HttpMethod, Object, ObjectBuilder, PathItem, Paths,
    PathsBuilder, RefOr, Required, Response, ResponseBuilder, Responses, SecurityRequirement, Type,
    path::{Operation, OperationBuilder},
    request_body::RequestBodyBuilder,
};

use super::{
    problem_type::ProblemType as P,
    responses::{EVERY_CHANGE, problems},
};
use crate::api::{
    admin::{Login, Logout, RunAudit},
    cart::{AddToCart, BuyNow, RemoveFromCart, SetCartQuantity},
    checkout::{ChangeCheckout, EnterCheckout, Pay},
    discount_admin::{CreateCode, SwitchCode},
    events::ActOnEvents,
    gates::ReconcileGates,
    lessons::RunLesson,
    order::FindOrder,
    queue::ActOnDeadLetter,
    run_control::ControlSimulation,
    run_label::RenameSimulation,
    sale_admin::{ChangeSale, PlanSale},
    simulation::StartSimulation,
    stepper::{EndStepper, KeepStepperOpen, RewindStepper, StartStepper, StepStepper},
    stock_admin::{ActOnOrder, ReceiveStock, TakeStock},
};

/// The name of the session's cookie among the security schemes.
pub const SESSION: &str = "session";
/// The tags of forms.
pub const SHOP_TAG: &str = "Forms of the shop";
pub const ADMIN_TAG: &str = "Forms of the administrator";

/// Who may send a form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Anyone,
    Administrator,
}

/// Problems of every form.
const EVERY_FORM: &[P] = &[
    P::CookiesBlocked,
    P::UnknownProduct,
    P::UnknownOrder,
    P::IdempotencyKeyReused,
    P::IdempotencyKeyInvalid,
    P::AlreadyCarriedOut,
    P::InvalidState,
    P::InsufficientStock,
    P::WrongContentType,
    P::QuantityInvalid,
    P::FieldsInvalid,
    P::Invalid,
    P::TooManyRequests,
    P::QueueFull,
    P::Unavailable,
    P::ProviderUnavailable,
];
/// The same for the forms of the shop, among them the sign-in.
const SHOP_FORM: &[P] = &[
    P::WrongPassword,
    P::CardDeclined,
    P::OverCustomerLimit,
    P::TooManyInCart,
    P::SaleNotStarted,
    P::SaleEnded,
    P::CartEmpty,
    P::ReservationExpired,
    P::AlreadyExtended,
    P::OverHoldLimit,
    P::TotalChanged,
    P::ItemsChanged,
    P::CodeNotActive,
    P::CodeBelowMinimum,
    P::CodeUsedUp,
    P::CodeOverCustomerLimit,
    P::CodeUnknown,
    P::SessionEnded,
    P::TooManyCarts,
    P::HoldsLimited,
];
/// The same for the forms of the administrator.
const ADMIN_FORM: &[P] = &[
    P::NotSignedIn,
    P::SignedOut,
    P::StrategyNotAllowed,
    P::EngineNotSupported,
    P::RedisNeeded,
    P::UnknownSimulation,
    P::UnknownStory,
    P::UnknownStepper,
    P::CodeUnknown,
    P::ReservationExpired,
    P::SimulationBusy,
    P::SimulationOver,
    P::StepperBusy,
    P::StrategyUnknown,
];

/// Describes every form.
pub fn paths() -> Paths {
    use Sender::{Administrator, Anyone};
    [
        form::<AddToCart>(Anyone, "Add a product to the cart"),
        form::<BuyNow>(Anyone, "Reserve one product and go to its checkout"),
        form::<SetCartQuantity>(Anyone, "Set the quantity of a product in the cart"),
        form::<RemoveFromCart>(Anyone, "Remove a product from the cart"),
        form::<EnterCheckout>(Anyone, "Reserve the cart and go to the checkout"),
        form::<ChangeCheckout>(Anyone, "Reserve again, extend, or use a discount code"),
        form::<Pay>(Anyone, "Order the cart and pay"),
        form::<FindOrder>(Anyone, "Find an order by number and e-mail address"),
        form::<Login>(Anyone, "Sign in"),
        form::<Logout>(Administrator, "Sign out"),
        form::<RunAudit>(Administrator, "Run both audits"),
        form::<PlanSale>(Administrator, "Plan the sale of a product"),
        form::<ChangeSale>(Administrator, "Open or end a sale now"),
        form::<ReceiveStock>(Administrator, "Receive stock"),
        form::<TakeStock>(Administrator, "Correct the stock to what was counted"),
        form::<ActOnOrder>(Administrator, "Cancel, refund or take back an order"),
        form::<CreateCode>(Administrator, "Create a discount code"),
        form::<SwitchCode>(Administrator, "Switch a discount code on or off"),
        form::<ReconcileGates>(
            Administrator,
            "Reconcile the gates in Redis with their rows",
        ),
        form::<ActOnEvents>(
            Administrator,
            "Subscribe to events, end the subscription, or send events again",
        ),
        form::<ActOnDeadLetter>(Administrator, "Put a dead letter back, or reject its order"),
        form::<StartSimulation>(Administrator, "Start a simulated flash sale"),
        form::<ControlSimulation>(Administrator, "Pause, resume, stop or abort a run"),
        form::<RenameSimulation>(Administrator, "Name a run and add a note"),
        form::<RunLesson>(Administrator, "Run a lesson"),
        form::<StartStepper>(Administrator, "Start a stepper session"),
        form::<StepStepper>(Administrator, "Run the next statement of a buyer"),
        form::<RewindStepper>(Administrator, "Replay a session up to a step"),
        form::<KeepStepperOpen>(Administrator, "Keep a session open without a step"),
        form::<EndStepper>(Administrator, "End a session"),
    ]
    .into_iter()
    .fold(PathsBuilder::new(), |paths, (path, operation)| {
        paths.path(path, PathItem::new(HttpMethod::Post, operation))
    })
    .build()
}

fn form<F>(sender: Sender, summary: &str) -> (&'static str, Operation)
where
    F: ServerFn + Serialize + DeserializeOwned,
{
    let content = ContentBuilder::new().schema(Some(fields_of::<F>())).build();
    let body = RequestBodyBuilder::new()
        .content("application/x-www-form-urlencoded", content)
        .required(Some(Required::True))
        .build();
    let name = F::PATH.trim_start_matches("/api/");
    let (tag, own) = match sender {
        Sender::Anyone => (SHOP_TAG, SHOP_FORM),
        Sender::Administrator => (ADMIN_TAG, ADMIN_FORM),
    };
    let refused = problems(&[EVERY_CHANGE, EVERY_FORM, own]);
    let operation = OperationBuilder::new()
        .tag(tag)
        .summary(Some(summary))
        .operation_id(Some(name.replace('/', "-")))
        .request_body(Some(body))
        .responses(Responses::from_iter(refused.into_iter().chain(answers())));
    let operation = match sender {
        Sender::Anyone => operation,
        Sender::Administrator => {
            operation.security(SecurityRequirement::new::<_, [&str; 0], _>(SESSION, []))
        }
    };
    (F::PATH, operation.build())
}

/// The answers to a form that was carried out, or whose sender is a browser.
fn answers() -> [(String, RefOr<Response>); 3] {
    let answer = |status: &str, description: &str| {
        let response = ResponseBuilder::new()
            .description(description)
            .header("Location", Header::default())
            .build();
        (status.to_owned(), RefOr::T(response))
    };
    [
        answer(
            "200",
            "Carried out. Location is the page that a browser would open next; a form of the stepper also returns the \
             session.",
        ),
        answer(
            "302",
            "For a browser, which accepts text/html: the next page, or the form's page, which shows the error.",
        ),
        answer(
            "303",
            "For a browser: the page to sign in, or the page about cookies.",
        ),
    ]
}

/// Reads the fields of a form from its type.
fn fields_of<F: Serialize + DeserializeOwned>() -> Object {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let empty = serde_json::from_str::<F>("{}").and_then(serde_json::to_value);
    let fields = match empty {
        Ok(Value::Object(fields)) => fields,
        // A form with a field that must be sent: the test of the document finds it.
        _ => Map::new(),
    };
    fields
        .into_iter()
        .fold(ObjectBuilder::new(), |form, (name, value)| match value {
            Value::Array(_) => form.property(name, Array::new(text())),
            _ => form.property(name, text()),
        })
        .build()
}

//! The events that the servers send to a subscriber, as `webhooks` of the OpenAPI document.
//!
//! Triggers write what an event contains, and `web::maintenance::events` sends it: a test compares
//! messages with this description.

use utoipa::openapi::{
    ContentBuilder, HttpMethod, ObjectBuilder, PathItem, Paths, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder, Schema, SchemaFormat, Type,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
};

use crate::model::OrderStatus;

/// The names of the schemas of messages.
const ORDER_EVENT: &str = "OrderEvent";
const STOCK_EVENT: &str = "StockEvent";

/// What a subscriber should know about every event, in Markdown.
const DELIVERY: &str = "\
The servers post it to the address that the administrator has subscribed, while there is a subscription. It is sent \
at least once, and may overtake an earlier one: process each `id` once. Reject a message whose signature is wrong, or \
whose time is more than five minutes old. It contains neither name nor address of a customer.";

/// Returns the requests that the servers send, by their names.
pub fn webhooks() -> Paths {
    let order = webhook(
        "orderChanged",
        "An order was written, or has another status",
        ORDER_EVENT,
    );
    let stock = webhook(
        "stockChanged",
        "A counter of a product's stock has changed",
        STOCK_EVENT,
    );
    PathsBuilder::new()
        .path("orderChanged", order)
        .path("stockChanged", stock)
        .build()
}

/// Returns the schemas of their bodies, by their names.
pub fn schemas() -> [(String, RefOr<Schema>); 2] {
    let statuses = || OrderStatus::ALL.iter().map(|status| status.as_str());
    let order_types = statuses().map(|status| format!("order.{status}")).collect();
    let order = object([
        (
            "orderId",
            text("The public id, as in `/api/orders/{publicId}`.").format(custom("uuid")),
        ),
        (
            "status",
            text("As in `type`.").enum_values(Some(statuses())),
        ),
        ("totalCents", integer("The price of the whole order.")),
        (
            "dueCents",
            integer("What the customer has to pay, or has paid."),
        ),
        ("currency", text("ISO 4217.")),
    ]);
    let stock = object([
        ("productId", integer("As in `/api/products/{id}`.")),
        ("total", integer("All units: available, reserved and sold.")),
        ("available", integer("Units that can be bought.")),
        (
            "reserved",
            integer("Units in checkouts that are not paid yet."),
        ),
        ("sold", integer("Units that are sold.")),
        (
            "version",
            integer("It grows with each change: ignore a level with a smaller one."),
        ),
    ]);
    [
        (ORDER_EVENT.to_owned(), event(order_types, order)),
        (
            STOCK_EVENT.to_owned(),
            event(vec!["stock.level".to_owned()], stock),
        ),
    ]
}

fn webhook(name: &str, summary: &str, schema: &str) -> PathItem {
    let signature = ParameterBuilder::new()
        .name("Doorbuster-Signature")
        .parameter_in(ParameterIn::Header)
        .required(Required::True)
        .description(Some(
            "`t=` seconds since 1970, a comma, `v1=` the HMAC-SHA256 of the time, a dot and the body, in hexadecimal; \
             the key is the secret on the page `/admin/events`",
        ))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(schema)))
        .build();
    let body = RequestBodyBuilder::new()
        .description(Some("The event, in UTF-8."))
        .content("application/json", content)
        .required(Some(Required::True))
        .build();
    let operation = OperationBuilder::new()
        .summary(Some(summary))
        .description(Some(DELIVERY))
        .operation_id(Some(name))
        .parameter(signature)
        .request_body(Some(body))
        .response(
            "2XX",
            ResponseBuilder::new()
                .description("The subscriber has the event: it is not sent again."),
        )
        .response(
            "default",
            ResponseBuilder::new().description(
                "Any other status, also a redirect, and no answer within five seconds: the event is sent again after \
                 a second, then after two, up to five minutes, for seven days.",
            ),
        )
        .build();
    PathItem::new(HttpMethod::Post, operation)
}

fn event(types: Vec<String>, data: ObjectBuilder) -> RefOr<Schema> {
    object([
        ("id", integer("The same each time that it is sent.")),
        ("type", text("What has happened.").enum_values(Some(types))),
        (
            "at",
            text("When it happened, by the database's clock.").format(custom("date-time")),
        ),
        ("data", data),
    ])
    .into()
}

/// An object that always has these fields.
fn object<const N: usize>(fields: [(&str, ObjectBuilder); N]) -> ObjectBuilder {
    fields
        .into_iter()
        .fold(ObjectBuilder::new(), |object, (name, field)| {
            object.property(name, field).required(name)
        })
}

fn text(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(about))
}

fn integer(about: &str) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(custom("int64"))
        .description(Some(about))
}

fn custom(format: &str) -> Option<SchemaFormat> {
    Some(SchemaFormat::Custom(format.to_owned()))
}

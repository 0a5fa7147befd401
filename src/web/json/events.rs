//! The events that the servers send to a subscriber, as `webhooks` of the OpenAPI document: the one
//! place that says what a message contains.
//!
//! Triggers write what an event contains, `shop::outbox` adds the lines of an order, and
//! `web::maintenance::events` sends it: tests compare messages of each type with this description.

use utoipa::openapi::{
    ContentBuilder, HttpMethod, ObjectBuilder, PathItem, Paths, PathsBuilder, Ref, RefOr, Required,
    ResponseBuilder, Schema, SchemaFormat, Type,
    path::{OperationBuilder, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
    schema::SchemaType,
};

use crate::model::{OrderStatus, RefundReason};

/// The names of the schemas of messages.
const ORDER_EVENT: &str = "OrderEvent";
const REFUND_EVENT: &str = "RefundEvent";
const RETURN_EVENT: &str = "ReturnEvent";
const STOCK_EVENT: &str = "StockEvent";

/// What a subscriber should know about every event, in Markdown.
const DELIVERY: &str = "\
The servers post it to the address that the administrator has subscribed, while there is a subscription. It is sent \
at least once, and may overtake an earlier one: process each `id` once. Reject a message whose signature is wrong, or \
whose time is more than five minutes old. It contains neither name nor address of a customer.";

/// What a subscriber should know about the fields of an order that an earlier version does not
/// send.
const CANCEL_REASON: &str = "\
`no_stock`, `shop` or `wrong_amount`, if the order is cancelled now. Missing with the `lines`.";
const LINES: &str = "\
One for each product of the order. Missing if a server of an earlier version has sent the event, during an upgrade: \
read `/api/orders/{publicId}` then.";

/// See `m0007_events_of_refunds` of MySQL.
const REFUND_LINES: &str = "One for each product of the order. Their order means nothing.";

/// Returns the requests that the servers send, by their names.
pub fn webhooks() -> Paths {
    [
        (
            "orderChanged",
            "An order was written, or has another status",
            ORDER_EVENT,
        ),
        (
            "orderRefunded",
            "A refund was decided, or is paid",
            REFUND_EVENT,
        ),
        (
            "lineReturned",
            "Units of an order are back in stock",
            RETURN_EVENT,
        ),
        (
            "stockChanged",
            "A counter of a product's stock has changed",
            STOCK_EVENT,
        ),
    ]
    .into_iter()
    .fold(PathsBuilder::new(), |paths, (name, summary, schema)| {
        paths.path(name, webhook(name, summary, schema))
    })
    .build()
}

/// Returns the schemas of their bodies, by their names.
pub fn schemas() -> [(String, RefOr<Schema>); 4] {
    let statuses = OrderStatus::ALL.iter().map(|status| status.as_str());
    let order_types = statuses.map(|status| format!("order.{status}")).collect();
    let refund_types = vec!["order.refunded".to_owned(), "order.refund_paid".to_owned()];
    [
        (ORDER_EVENT, order_types, order()),
        (REFUND_EVENT, refund_types, refund()),
        (RETURN_EVENT, vec!["line.returned".to_owned()], returned()),
        (STOCK_EVENT, vec!["stock.level".to_owned()], stock()),
    ]
    .map(|(name, types, data)| (name.to_owned(), event(types, data)))
}

fn order() -> ObjectBuilder {
    let line = object([
        ("productId", product_id()),
        ("productSlug", slug()),
        ("productName", name()),
        ("quantity", integer("Units that were ordered.")),
        ("unitPriceCents", integer("At the time of the order.")),
    ]);
    let statuses = OrderStatus::ALL.iter().map(|status| status.as_str());
    let data = object([
        ("orderId", order_id()),
        (
            "status",
            text(
                "As in `type`. `paid` after `backordered`: the stock has come, and the order can be \
                 sent.",
            )
            .enum_values(Some(statuses)),
        ),
        ("totalCents", integer("The price of the whole order.")),
        (
            "dueCents",
            integer("What the customer has to pay, or has paid."),
        ),
        ("currency", text("ISO 4217.")),
    ]);
    let cancel_reason =
        text(CANCEL_REASON).schema_type(SchemaType::from_iter([Type::String, Type::Null]));
    with_lines(data.property("cancelReason", cancel_reason), line, LINES)
}

fn refund() -> ObjectBuilder {
    let line = object([
        ("productId", product_id()),
        ("productSlug", slug()),
        ("productName", name()),
        ("quantity", integer("Units that were ordered.")),
        (
            "refunded",
            integer("Units of them whose price is refunded, also by earlier refunds."),
        ),
        ("returned", integer("Units of them that are back in stock.")),
    ]);
    let reasons = RefundReason::ALL.iter().map(|reason| reason.as_str());
    let data = object([
        ("orderId", order_id()),
        (
            "refundId",
            text(
                "The same when the refund is decided (`order.refunded`) and when the provider has \
                 confirmed it (`order.refund_paid`).",
            )
            .format(custom("uuid")),
        ),
        (
            "reason",
            text("Why. After `cancelled`, the whole order is off, whatever its lines say.")
                .enum_values(Some(reasons)),
        ),
        ("amountCents", integer("The amount of this refund.")),
        ("currency", text("ISO 4217.")),
    ]);
    with_lines(data, line, REFUND_LINES).required("lines")
}

fn returned() -> ObjectBuilder {
    object([
        ("orderId", order_id()),
        ("productId", product_id()),
        ("productSlug", slug()),
        ("productName", name()),
        ("units", integer("Units that came back now.")),
        ("quantity", integer("Units that were ordered.")),
        (
            "returned",
            integer("Units of them that have come back so far."),
        ),
    ])
}

fn stock() -> ObjectBuilder {
    object([
        ("productId", product_id()),
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
    ])
}

fn order_id() -> ObjectBuilder {
    text("The public id, as in `/api/orders/{publicId}`.").format(custom("uuid"))
}

fn product_id() -> ObjectBuilder {
    integer("As in `/api/products/{id}`.")
}

fn slug() -> ObjectBuilder {
    text("The name in the address of the product's page, `/products/{slug}`.")
}

fn name() -> ObjectBuilder {
    text("At the time of the order.")
}

/// Adds the lines of the order.
fn with_lines(data: ObjectBuilder, line: ObjectBuilder, about: &str) -> ObjectBuilder {
    let lines = line.to_array_builder().description(Some(about));
    data.property("lines", lines)
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

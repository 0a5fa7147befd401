//! The problems that an operation can answer with, as responses of the OpenAPI document.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::{
    AllOfBuilder, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response,
    ResponseBuilder, Type,
};

use super::{problem::MEDIA_TYPE, problem_type::ProblemType};

/// Responses by their status.
pub type Responses = BTreeMap<String, RefOr<Response>>;

/// Problems of the layers in front of every handler.
pub const EVERY_REQUEST: &[ProblemType] = &[
    ProblemType::Malformed,
    ProblemType::TooManyConnections,
    ProblemType::Internal,
    ProblemType::Busy,
];
/// The same for a request that may change something. Its body is read before its path is.
pub const EVERY_CHANGE: &[ProblemType] = &[
    ProblemType::CrossSite,
    ProblemType::BodyUnfinished,
    ProblemType::BodyTooLarge,
    ProblemType::OutcomeUnknown,
];

/// Describes the problems, one response for each status. Its schema lists the types: a client, or
/// a test, can check that it gets no other.
pub fn problems(lists: &[&[ProblemType]]) -> Responses {
    let mut by_status: BTreeMap<u16, BTreeSet<ProblemType>> = BTreeMap::new();
    for kind in [EVERY_REQUEST]
        .iter()
        .chain(lists)
        .flat_map(|list| list.iter())
    {
        by_status.entry(kind.status()).or_default().insert(*kind);
    }
    by_status
        .into_iter()
        .map(|(status, kinds)| (status.to_string(), RefOr::T(response(status, &kinds))))
        .collect()
}

fn response(status: u16, kinds: &BTreeSet<ProblemType>) -> Response {
    let titles: Vec<_> = kinds.iter().map(|kind| kind.title()).collect();
    let types = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(kinds.iter().map(|kind| kind.uri())));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name("Problem"))
        .item(ObjectBuilder::new().property("type", types));
    let response = ResponseBuilder::new()
        .description(titles.join("; "))
        .content(
            MEDIA_TYPE,
            ContentBuilder::new().schema(Some(schema)).build(),
        );
    if matches!(status, 429 | 503) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer);
        let header = HeaderBuilder::new()
            .schema(Some(seconds))
            .description(Some("Seconds after which a retry makes sense."))
            .build();
        return response.header("Retry-After", header).build();
    }
    response.build()
}

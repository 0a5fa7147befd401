//! The JSON API and the health checks, one file per resource, and the OpenAPI document about them.

pub mod events;
pub mod forms;
pub mod health;
pub mod openapi;
pub mod order;
pub mod path_text;
pub mod problem;
pub mod problem_type;
pub mod products;
pub mod purchase;
pub mod queued;
pub mod responses;
pub mod webhook;

//! The entities, one file for each table. They use no arrays, no native enums and no `jsonb`, so
//! that another database engine could store them.

pub mod admin_credential;
pub mod audit_change;
pub mod audit_ledger;
pub mod audit_result;
pub mod audit_watermark;
pub mod cart;
pub mod cart_item;
pub mod checkout_draft;
pub mod customer_order;
pub mod discount_code;
pub mod discount_code_change;
pub mod discount_use;
pub mod event_subscription;
pub mod hold;
pub mod idempotency_key;
pub mod order_line;
pub mod outbox_event;
pub mod payment;
pub mod payment_event;
pub mod product;
pub mod product_change;
pub mod queue_outcome;
pub mod refund;
pub mod server_heartbeat;
pub mod session;
pub mod shop_secret;
pub mod simulation_lane;
pub mod simulation_lock_picture;
pub mod simulation_run;
pub mod simulation_sample;
pub mod stock;
pub mod stock_bucket;
pub mod stock_movement;
pub mod stock_unit;
pub mod wrong_password;

//! A run of the workbench.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "simulation_run")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// The final `model::RunState`; `running` until then.
    pub state: String,
    /// JSON of `model::SimulationPlan`.
    pub plan: String,
    /// JSON of `model::Verdict`, once there is one.
    pub verdict: Option<String>,
    /// `model::RunCommand`: the latest command of the administrator to the server process that runs
    /// it.
    // The column is older than its present name.
    #[sea_orm(column_name = "wish")]
    pub command: String,
    /// JSON of a list of `model::RunEvent`, once the run has ended.
    pub events: Option<String>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    pub started_at: TimeDateTimeWithTimeZone,
    /// The last heartbeat of the server process that runs it.
    pub beat_at: TimeDateTimeWithTimeZone,
    pub ended_at: Option<TimeDateTimeWithTimeZone>,
    /// The name that the administrator gave to it; otherwise it is called by its plan's title.
    pub name: Option<String>,
    pub note: Option<String>,
    /// SHA-256 of the secret that its buyers send over HTTP, in hexadecimal. None if it has no such
    /// buyers.
    pub buyer_secret: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! Simulation runs, their lanes, and the samples taken during the runs.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(simulation_run()).await?;
        manager.create_table(simulation_lane()).await?;
        manager.create_table(simulation_sample()).await?;
        manager
            .create_foreign_key(
                ForeignKey::create()
                    .name("product_lane_id")
                    .from("product", "lane_id")
                    .to("simulation_lane", "id")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_foreign_key(
                ForeignKey::drop()
                    .name("product_lane_id")
                    .table("product")
                    .to_owned(),
            )
            .await?;
        for table in ["simulation_sample", "simulation_lane", "simulation_run"] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}

/// `plan` and `verdict` are JSON texts of `model::plan` and `model::snapshot`; the verdict is null
/// until the run ends. The server that runs the simulation updates `beat_at` as its heartbeat.
fn simulation_run() -> TableCreateStatement {
    Table::create()
        .table("simulation_run")
        .col(uuid("id").primary_key())
        .col(string_len("state", 12))
        .col(text("plan"))
        .col(text_null("verdict"))
        .col(text_null("failure"))
        .col(timestamp_with_time_zone("started_at").default(Expr::current_timestamp()))
        .col(timestamp_with_time_zone("beat_at").default(Expr::current_timestamp()))
        .col(timestamp_with_time_zone_null("ended_at"))
        .check((
            "simulation_run_state_known",
            Expr::cust("state IN ('running', 'finished', 'failed')"),
        ))
        .to_owned()
}

/// `product_id` is the lane's private product, or the shop product that the run sold.
fn simulation_lane() -> TableCreateStatement {
    Table::create()
        .table("simulation_lane")
        .col(big_pk_auto("id"))
        .col(uuid("run_id"))
        .col(string_len("strategy", 32))
        .col(big_integer_null("product_id"))
        .foreign_key(
            ForeignKey::create()
                .name("simulation_lane_run_id")
                .from("simulation_lane", "run_id")
                .to("simulation_run", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn simulation_sample() -> TableCreateStatement {
    Table::create()
        .table("simulation_sample")
        .col(big_integer("lane_id"))
        .col(integer("elapsed_ms"))
        .col(text("counts"))
        .primary_key(Index::create().col("lane_id").col("elapsed_ms"))
        .foreign_key(
            ForeignKey::create()
                .name("simulation_sample_lane_id")
                .from("simulation_sample", "lane_id")
                .to("simulation_lane", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

//! `doorbuster sale`: lists sales, plans them, opens and ends them. Running servers follow within a
//! second: the command sends them a notice.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use doorbuster::{
    config::DatabaseSettings,
    db::PoolSettings,
    feed::Feed,
    model::{Product, ShopError},
    shop::{
        Shop,
        administrator::Administrator,
        moment, notices,
        sales::{NewPlan, NewValue, SaleReport},
    },
};
use serde::Serialize;
use time::OffsetDateTime;

use super::{database::OpenDatabase, output};
use crate::CommandError;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Subcommand)]
enum Act {
    /// Lists the sales of all products.
    List {
        /// Print one JSON array.
        #[arg(long)]
        json: bool,
    },
    /// Plans the sale of a product. Values that are left out do not change.
    Plan(PlanArguments),
    /// Opens the sale of a product now.
    Open {
        /// The product's slug, as in its address.
        #[arg(long)]
        product: String,
    },
    /// Ends the sale of a product now. Reservations end with it.
    End {
        /// The product's slug, as in its address.
        #[arg(long)]
        product: String,
    },
}

#[derive(Args)]
struct PlanArguments {
    /// The product's slug, as in its address.
    #[arg(long)]
    product: String,
    /// Start, in RFC 3339, as in 2026-12-12T12:12:00+01:00. A time in the past opens the sale at
    /// once.
    #[arg(long, value_parser = rfc3339)]
    from: OffsetDateTime,
    /// End, in RFC 3339: the first moment at which the product is no longer sold.
    #[arg(long, value_parser = rfc3339)]
    until: OffsetDateTime,
    /// Price, in cents.
    #[arg(long, allow_negative_numbers = true)]
    price_cents: Option<i64>,
    /// A higher price to compare the price with, in cents.
    #[arg(long, allow_negative_numbers = true)]
    compare_at_cents: Option<i64>,
    /// Remove the price to compare with.
    #[arg(long, conflicts_with = "compare_at_cents")]
    no_compare_at: bool,
    /// Maximum units for one customer.
    #[arg(long, allow_negative_numbers = true)]
    limit: Option<i64>,
    /// Remove the limit per customer.
    #[arg(long, conflicts_with = "limit")]
    no_limit: bool,
}

fn rfc3339(text: &str) -> Result<OffsetDateTime, String> {
    moment::parse_rfc3339(text)
        .ok_or_else(|| "use a time in RFC 3339, as in 2026-12-12T12:12:00+01:00".to_owned())
}

impl PlanArguments {
    fn plan(&self) -> NewPlan {
        let value = |value: Option<i64>, is_removed: bool| match value {
            _ if is_removed => NewValue::Absent,
            Some(value) => NewValue::Set(value),
            None => NewValue::Unchanged,
        };
        NewPlan {
            starts_at: Some(self.from),
            ends_at: Some(self.until),
            price_cents: self.price_cents,
            compare_at_cents: value(self.compare_at_cents, self.no_compare_at),
            per_customer_limit: value(self.limit, self.no_limit),
        }
    }
}

pub async fn run(
    settings: &DatabaseSettings,
    arguments: Arguments,
) -> Result<ExitCode, CommandError> {
    OpenDatabase::with_current_schema(settings, async |database| {
        let db = database.pool(PoolSettings::COMMAND).await?;
        let shop = Shop::new(db.clone(), Feed::default());
        let result = act(&shop, &arguments.act).await;
        notices::send_last(&db, shop.feed()).await;
        db.close().await;
        output::print(&result?)?;
        Ok(ExitCode::SUCCESS)
    })
    .await
}

/// Returns what the command prints.
async fn act(shop: &Shop, act: &Act) -> Result<String, CommandError> {
    let changed = match act {
        Act::List { json } => {
            let products = shop.sales().list().await?;
            return Ok(if *json {
                let sales: Vec<_> = products.iter().map(SaleJson::of).collect();
                serde_json::to_string_pretty(&sales)? + "\n"
            } else {
                products.iter().map(in_text).collect()
            });
        }
        Act::Plan(arguments) => {
            let id = id_of(shop, &arguments.product).await?;
            administration(shop).plan(id, arguments.plan(), None).await
        }
        Act::Open { product } => {
            let id = id_of(shop, product).await?;
            administration(shop).open_now(id, None).await
        }
        Act::End { product } => {
            let id = id_of(shop, product).await?;
            administration(shop).end_now(id, None).await
        }
    };
    let is_plan = matches!(act, Act::Plan(_));
    changed
        .map(|report| in_words(&report, is_plan))
        .map_err(in_one_sentence)
}

fn administration(shop: &Shop) -> doorbuster::shop::sales::SaleAdministration<'_> {
    shop.sale_administration(&Administrator::at_the_command_line())
}

async fn id_of(shop: &Shop, slug: &str) -> Result<i64, CommandError> {
    Ok(product_of(shop, slug).await?.id)
}

/// Returns the product with this slug; the error says how to find it.
pub async fn product_of(shop: &Shop, slug: &str) -> Result<Product, CommandError> {
    match shop.sales().of_slug(slug).await {
        Ok(product) => Ok(product),
        Err(ShopError::UnknownProduct) => {
            Err(format!("There is no product {slug:?}. `doorbuster sale list` lists them.").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Names the argument in front of each message.
fn in_one_sentence(error: ShopError) -> CommandError {
    let ShopError::FieldsInvalid(errors) = &error else {
        return error.into();
    };
    let flag = |field: &str| match field {
        "price" => "--price-cents".to_owned(),
        "compare_at" => "--compare-at-cents".to_owned(),
        other => format!("--{other}"),
    };
    let messages: Vec<_> = errors
        .iter()
        .map(|error| format!("{}: {}", flag(&error.field), error.message))
        .collect();
    messages.join(" ").into()
}

fn in_words(report: &SaleReport, is_plan: bool) -> String {
    let mut text = format!("{}: {}", report.product, report.state.as_str());
    let time = |ms| moment::in_rfc3339(moment::from_ms(ms));
    if let Some(start) = report.plan.starts_at_ms {
        text += &format!(", from {}", time(start));
    }
    if let Some(end) = report.plan.ends_at_ms {
        text += &format!(", until {}", time(end));
    }
    let has_start = report.plan.starts_at_ms.is_some();
    if is_plan && has_start && report.has_started {
        text += "; its start has passed, so it began at once";
    }
    match report.shortened {
        0 => {}
        1 => text += "; 1 reservation ends earlier",
        number => text += &format!("; {number} reservations end earlier"),
    }
    text + "\n"
}

fn in_text(product: &Product) -> String {
    let time =
        |ms: Option<i64>| ms.map_or("-".to_owned(), |ms| moment::in_rfc3339(moment::from_ms(ms)));
    format!(
        "{:12} {:24} {:24} {:>10} {:>5} of {:<5} {}\n",
        product.state().as_str(),
        time(product.plan.starts_at_ms),
        time(product.plan.ends_at_ms),
        product.price.to_string(),
        product.available,
        product.total,
        product.slug,
    )
}

/// A sale in the format of `sale list --json`.
#[derive(Serialize)]
struct SaleJson {
    id: i64,
    slug: String,
    name: String,
    state: &'static str,
    /// RFC 3339; `null` without a start.
    starts_at: Option<String>,
    /// RFC 3339; `null` without an end.
    ends_at: Option<String>,
    price_cents: i64,
    compare_at_cents: Option<i64>,
    currency: String,
    per_customer_limit: Option<u32>,
    available: i64,
    reserved: i64,
    sold: i64,
    total: i64,
    sold_out_in_ms: Option<i64>,
    sold_out_units: Option<i64>,
}

impl SaleJson {
    fn of(product: &Product) -> Self {
        let time = |ms: Option<i64>| ms.map(|ms| moment::in_rfc3339(moment::from_ms(ms)));
        Self {
            id: product.id,
            slug: product.slug.clone(),
            name: product.name.clone(),
            state: product.state().as_str(),
            starts_at: time(product.plan.starts_at_ms),
            ends_at: time(product.plan.ends_at_ms),
            price_cents: product.price.cents,
            compare_at_cents: product.compare_at.map(|price| price.cents),
            currency: product.price.currency.code().to_owned(),
            per_customer_limit: product.per_customer_limit,
            available: product.available,
            reserved: product.reserved,
            sold: product.sold,
            total: product.total,
            sold_out_in_ms: product.sell_out.map(|sell_out| sell_out.took_ms),
            sold_out_units: product.sell_out.map(|sell_out| sell_out.units),
        }
    }
}

//! What the page of a product says about it to search engines: structured data in the words of
//! [schema.org](https://schema.org), true for the state of its sale.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::document_head::Metadata;
use crate::{
    model::{Money, Product, sale::SaleState},
    shop::moment,
    web::{addresses, assets},
};

/// Describes the page of a product.
pub fn of_product(product: &Product, public_url: &str) -> Metadata {
    let path = addresses::product(&product.slug);
    let category = addresses::category(&product.category);
    let trail: [(&str, &str); 3] = [
        ("Shop", "/"),
        (&product.category, &category),
        (&product.name, &path),
    ];
    Metadata {
        description: describe(product),
        json_ld: vec![
            product_data(product, &path, public_url),
            breadcrumbs(&trail, public_url),
        ],
        canonical_path: Some(path),
        is_product: true,
        ..Metadata::default()
    }
}

/// The price and the state of the sale, then the product's own description.
fn describe(product: &Product) -> String {
    let price = product.price;
    let offer = match product.state() {
        SaleState::Announced => match time_of(product.plan.starts_at_ms).map(moment::in_utc) {
            Some(start) => format!("{price} from {start}."),
            None => format!("{price}."),
        },
        SaleState::Open => format!("{price}, {} left.", product.available.max(0)),
        SaleState::ReservedOut => format!("{price}, all reserved at the moment."),
        SaleState::SoldOut => "Sold out.".to_owned(),
        SaleState::Ended => "This sale has ended.".to_owned(),
    };
    format!("{offer} {}", product.description)
}

fn product_data(product: &Product, path: &str, public_url: &str) -> Value {
    json!({
        "@context": "https://schema.org",
        "@type": "Product",
        "name": product.name,
        "description": product.description,
        "category": product.category,
        "sku": product.slug,
        "url": format!("{public_url}{path}"),
        "image": format!("{public_url}{}", assets::href(&product.artwork)),
        "offers": offer_data(product, path, public_url),
    })
}

fn offer_data(product: &Product, path: &str, public_url: &str) -> Value {
    let mut offer = json!({
        "@type": "Offer",
        "url": format!("{public_url}{path}"),
        "price": decimal(product.price),
        "priceCurrency": product.price.currency.code(),
        "availability": format!("https://schema.org/{}", availability(product.state())),
        "itemCondition": "https://schema.org/NewCondition",
        "seller": { "@type": "Organization", "name": "Doorbuster" },
    });
    let start = time_of(product.plan.starts_at_ms).map(moment::in_rfc3339);
    let end = time_of(product.plan.ends_at_ms).map(moment::in_rfc3339);
    if let Some(start) = start {
        offer["availabilityStarts"] = json!(start);
        offer["validFrom"] = json!(start);
    }
    if let Some(end) = end {
        offer["availabilityEnds"] = json!(end);
        offer["priceValidUntil"] = json!(end);
    }
    if let Some(limit) = product.per_customer_limit {
        offer["eligibleQuantity"] = json!({ "@type": "QuantitativeValue", "maxValue": limit });
    }
    if let Some(compare_at) = product.compare_at {
        offer["priceSpecification"] = json!({
            "@type": "UnitPriceSpecification",
            "priceType": "https://schema.org/StrikethroughPrice",
            "price": decimal(compare_at),
            "priceCurrency": compare_at.currency.code(),
        });
    }
    offer
}

/// What a visitor can do now. Units that are all reserved may come back, but cannot be bought, so
/// they are out of stock. An announced sale is the nearest that schema.org has: `PreOrder` with its
/// start.
const fn availability(state: SaleState) -> &'static str {
    match state {
        SaleState::Announced => "PreOrder",
        SaleState::Open => "InStock",
        SaleState::ReservedOut => "OutOfStock",
        SaleState::SoldOut => "SoldOut",
        SaleState::Ended => "Discontinued",
    }
}

/// Where a page is in the shop, as structured data: names and paths, from the shop to the page.
pub fn breadcrumbs(trail: &[(&str, &str)], public_url: &str) -> Value {
    let items: Vec<Value> = trail
        .iter()
        .zip(1_u32..)
        .map(|((name, path), position)| {
            json!({
                "@type": "ListItem",
                "position": position,
                "name": name,
                "item": format!("{public_url}{path}"),
            })
        })
        .collect();
    json!({
        "@context": "https://schema.org",
        "@type": "BreadcrumbList",
        "itemListElement": items,
    })
}

/// The amount as structured data has it: with a point, without groups and currency.
fn decimal(money: Money) -> String {
    let sign = if money.cents < 0 { "-" } else { "" };
    let cents = money.cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

fn time_of(ms: Option<i64>) -> Option<OffsetDateTime> {
    let nanoseconds = i128::from(ms?) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Currency, sale::SalePlan};

    const NOW_MS: i64 = 1_797_077_520_000;

    fn product() -> Product {
        Product {
            id: 1,
            slug: "day-backpack".to_owned(),
            name: "Day Backpack".to_owned(),
            description: "Holds a day.".to_owned(),
            category: "Outdoors".to_owned(),
            artwork: "artwork/day-backpack.svg".to_owned(),
            price: Money::new(123_456_789, Currency::EUR),
            compare_at: None,
            per_customer_limit: Some(2),
            plan: SalePlan::default(),
            available: 5,
            reserved: 0,
            sold: 15,
            total: 20,
            read_at_ms: NOW_MS,
            sell_out: None,
        }
    }

    fn offer(product: &Product) -> Value {
        let metadata = of_product(product, "https://shop.test");
        metadata.json_ld[0]["offers"].clone()
    }

    #[test]
    fn the_availability_is_that_of_the_sale() {
        let announced = Product {
            plan: SalePlan {
                starts_at_ms: Some(NOW_MS + 60_000),
                ends_at_ms: Some(NOW_MS + 120_000),
            },
            ..product()
        };
        let reserved_out = Product {
            available: 0,
            reserved: 5,
            ..product()
        };
        let sold_out = Product {
            available: 0,
            sold: 20,
            ..product()
        };
        let ended = Product {
            plan: SalePlan {
                starts_at_ms: None,
                ends_at_ms: Some(NOW_MS),
            },
            ..product()
        };
        for (product, expected) in [
            (&announced, "PreOrder"),
            (&product(), "InStock"),
            (&reserved_out, "OutOfStock"),
            (&sold_out, "SoldOut"),
            (&ended, "Discontinued"),
        ] {
            let availability = offer(product)["availability"].clone();
            assert_eq!(availability, format!("https://schema.org/{expected}"));
        }
        let data = offer(&announced);
        for (key, start_of_value) in [
            ("availabilityStarts", "2026-12-12T12:13:00"),
            ("priceValidUntil", "2026-12-12T12:14:00"),
        ] {
            let value = data[key].as_str().unwrap_or_default();
            assert!(value.starts_with(start_of_value), "{key}: {value}");
        }
        assert!(describe(&announced).contains("from 2026-12-12 12:13 UTC."));
    }

    #[test]
    fn an_offer_has_its_price_its_limit_and_the_price_before() {
        let cheaper = Product {
            compare_at: Some(Money::new(200_000_005, Currency::EUR)),
            ..product()
        };
        let data = offer(&cheaper);
        assert_eq!(data["price"], "1234567.89");
        assert_eq!(data["priceCurrency"], "EUR");
        assert_eq!(data["eligibleQuantity"]["maxValue"], 2);
        assert_eq!(data["priceSpecification"]["price"], "2000000.05");
        assert_eq!(data.get("priceValidUntil"), None);
        assert_eq!(offer(&product()).get("priceSpecification"), None);
    }

    #[test]
    fn every_address_is_complete_and_encoded() {
        let odd = Product {
            slug: "a b/\"".to_owned(),
            category: "Küche".to_owned(),
            ..product()
        };
        let metadata = of_product(&odd, "https://shop.test");
        let path = "/products/a%20b%2F%22";
        assert_eq!(metadata.canonical_path.as_deref(), Some(path));
        let trail = &metadata.json_ld[1]["itemListElement"];
        assert_eq!(trail[1]["item"], "https://shop.test/categories/k%C3%BCche");
        assert_eq!(trail[2]["item"], format!("https://shop.test{path}"));
        assert_eq!(trail[2]["position"], 3);
    }
}

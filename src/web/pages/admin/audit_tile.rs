//! The tile of both audits on the overview: what they found, and how old each of them is.

use std::time::Duration;

use leptos::prelude::*;

use crate::{
    model::digit_groups::group_digits,
    shop::audit::{AuditReport, LatestAudit},
    web::{
        audits::{LATE, OVERDUE},
        pages::form_key::FormPage,
    },
};

/// The latest results; none before the first audit.
#[derive(Clone, Debug)]
pub struct Audits {
    pub changes: Option<LatestAudit>,
    pub history: Option<LatestAudit>,
}

impl Audits {
    fn violated(&self) -> Vec<String> {
        let reports = [&self.changes, &self.history].into_iter().flatten();
        let rules = reports.flat_map(|latest| &latest.report.rules);
        let mut sentences: Vec<_> = rules
            .filter(|rule| rule.violations > 0)
            .map(|rule| format!("{}: {}", rule.rule, rule.listed.join("; ")))
            .collect();
        sentences.sort();
        sentences.dedup();
        sentences
    }

    /// The rules that could not be checked, each with the reason.
    fn unchecked(&self) -> Vec<String> {
        let reports = [&self.changes, &self.history].into_iter().flatten();
        let rules = reports.flat_map(|latest| &latest.report.rules);
        let with_reason = rules.filter_map(|rule| {
            let reason = rule.not_checked.as_ref()?;
            Some(format!("{} ({reason})", rule.rule))
        });
        with_reason.collect()
    }

    /// Returns the modifier of the tile's class, and its headline.
    fn headline(&self) -> (&'static str, String) {
        let age = self.changes.as_ref().map(|latest| latest.age);
        match (self.violated().len(), age) {
            (1, _) => ("bad", "1 finding".to_owned()),
            (2.., _) => ("bad", format!("{} findings", self.violated().len())),
            (0, None) => ("late", "Not checked yet".to_owned()),
            (0, Some(age)) if age > OVERDUE => ("bad", "The audit is overdue".to_owned()),
            (0, Some(age)) if age > LATE => ("late", "The audit is late".to_owned()),
            (0, Some(_)) => ("ok", "Every unit accounted for".to_owned()),
        }
    }
}

#[component]
pub fn AuditTile(audits: Audits) -> impl IntoView {
    let (modifier, headline) = audits.headline();
    let findings = audits.violated();
    let findings = (!findings.is_empty())
        .then(|| view! { <p class="tile__text">{format!("{}.", findings.join(". "))}</p> });
    let unchecked = audits.unchecked();
    let unchecked = (!unchecked.is_empty()).then(
        || view! { <p class="tile__text">{format!("Not checked: {}.", unchecked.join(", "))}</p> },
    );
    let changes = audits.changes.as_ref().map_or_else(
        || "Recent changes: not checked yet.".to_owned(),
        |latest| {
            let rules = latest.report.checked_rules();
            format!(
                "Recent changes: {rules} rules, checked {}.",
                ago(latest.age)
            )
        },
    );
    let history = audits.history.as_ref().map_or_else(
        || "All of history: not checked yet.".to_owned(),
        |latest| {
            format!(
                "All of history: {}.",
                checked_history(&latest.report, latest.age)
            )
        },
    );
    view! {
        <section class=format!("tile tile--wide tile--{modifier}") aria-labelledby="audit">
            <h2 class="tile__label" id="audit">"Stock audit"</h2>
            <p class="tile__value">{headline}</p>
            {findings}
            {unchecked}
            <p class="tile__text">{changes}<br/>{history}</p>
            <form method="post" action="/api/form/admin/audit">
                <FormPage/>
                <button class="btn" type="submit">"Check now"</button>
            </form>
        </section>
    }
}

fn checked_history(report: &AuditReport, age: Duration) -> String {
    format!(
        "{} rules, checked {} ({}), in {} ms",
        report.checked_rules(),
        ago(age),
        report.at,
        group_digits(&report.took_ms.to_string())
    )
}

/// Formats an age as `4 s ago`, `3 min ago` or `5 h ago`.
fn ago(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s ago"),
        seconds @ 120..7_200 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::audit::RuleResult;

    fn latest(age_s: u64, violations: usize) -> Option<LatestAudit> {
        let rule = RuleResult {
            rule: "stock-conserved".to_owned(),
            requirement: String::new(),
            violations,
            listed: vec!["product 1".to_owned(); violations],
            not_checked: None,
        };
        Some(LatestAudit {
            report: AuditReport {
                at: "2026-12-12 12:12 UTC".to_owned(),
                took_ms: 1_234,
                checked_orders: None,
                rules: vec![rule],
                exhibits: Vec::new(),
            },
            age: Duration::from_secs(age_s),
            hour_now: 12,
        })
    }

    #[test]
    fn a_late_audit_is_amber_and_an_overdue_one_is_red() {
        for (changes, history, expected) in [
            (latest(5, 0), latest(5, 0), "ok"),
            (latest(5, 0), None, "ok"),
            (None, latest(5, 0), "late"),
            (latest(61, 0), latest(5, 0), "late"),
            (latest(301, 0), latest(5, 0), "bad"),
            (latest(5, 1), latest(5, 0), "bad"),
            (latest(5, 0), latest(5, 2), "bad"),
        ] {
            let audits = Audits { changes, history };
            assert_eq!(audits.headline().0, expected, "{audits:?}");
        }
    }

    #[test]
    fn a_finding_of_both_audits_is_listed_once() {
        let audits = Audits {
            changes: latest(5, 1),
            history: latest(5, 1),
        };
        assert_eq!(audits.violated(), ["stock-conserved: product 1"]);
        assert_eq!(audits.headline().1, "1 finding");
    }

    #[test]
    fn a_rule_that_was_not_checked_is_named_and_no_finding() {
        let mut history = latest(5, 0).expect("it is there");
        history.report.rules.push(RuleResult {
            rule: "gates-within-rows".to_owned(),
            requirement: String::new(),
            violations: 0,
            listed: Vec::new(),
            not_checked: Some("Redis is unavailable".to_owned()),
        });
        assert_eq!(history.report.checked_rules(), 1);
        let audits = Audits {
            changes: latest(5, 0),
            history: Some(history),
        };
        assert_eq!(audits.headline().0, "ok");
        assert_eq!(
            audits.unchecked(),
            ["gates-within-rows (Redis is unavailable)"]
        );
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [
            (0, "0 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7_200, "2 h ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}

//! What was asked for, run by run.

use crate::{model::RunSnapshot, simulation::export::fields};

/// One parameter of all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    /// One for each run; empty where a run says nothing of it.
    pub values: Vec<String>,
}

impl Parameter {
    /// True where not all runs have the same.
    pub fn differs(&self) -> bool {
        self.values.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// Every field of any of the plans. They are taken from what is stored, so that none can be forgotten here.
pub fn of(runs: &[RunSnapshot]) -> Vec<Parameter> {
    let plans: Vec<_> = runs.iter().map(|run| fields(&run.plan)).collect();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in plans.iter().flatten() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let of_plan = |plan: &Vec<(String, String)>, name: &String| {
        let field = plan.iter().find(|(other, _)| other == name);
        field.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let parameters = names.iter().map(|name| Parameter {
        name: parameter_name(name),
        values: plans.iter().map(|plan| of_plan(plan, name)).collect(),
    });
    parameters.collect()
}

/// A field's name as a person reads it: `race_window_ms` is `Race window (ms)`.
pub fn parameter_name(field: &str) -> String {
    let words: Vec<&str> = field.split('_').collect();
    let (name, unit) = match words.as_slice() {
        [name @ .., "per", "s"] => (name.join(" "), " (per s)"),
        [name @ .., "s"] => (name.join(" "), " (s)"),
        // Also in the middle, where what has the unit has parts of its own.
        words if words.contains(&"ms") => {
            let name: Vec<&str> = words.iter().copied().filter(|word| *word != "ms").collect();
            (name.join(" "), " (ms)")
        }
        words => (words.join(" "), ""),
    };
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect::<String>() + unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_with_its_unit() {
        for (field, name) in [
            ("buyers", "Buyers"),
            ("race_window_ms", "Race window (ms)"),
            ("latency_ms_p99", "Latency p99 (ms)"),
            ("arrivals_rate_per_s", "Arrivals rate (per s)"),
            ("faults_slow_statement", "Faults slow statement"),
            ("", ""),
        ] {
            assert_eq!(parameter_name(field), name);
        }
    }

    #[test]
    fn what_differs_is_found_also_where_one_plan_is_silent() {
        let run = crate::simulation::comparison::tests::nothing();
        let mut other = run.clone();
        other.plan.seed = 7;
        other.plan.product_id = Some(1);
        let parameters = of(&[run, other]);
        let mut differing: Vec<_> = parameters
            .iter()
            .filter(|parameter| parameter.differs())
            .map(|parameter| (parameter.name.as_str(), parameter.values.join("|")))
            .collect();
        differing.sort();
        assert_eq!(
            differing,
            [("Product id", "|1".to_owned()), ("Seed", "42|7".to_owned())]
        );
        assert!(parameters.len() > 10, "{parameters:?}");
    }
}

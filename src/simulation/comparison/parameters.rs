//! The parameters of each run.

use crate::{model::RunSnapshot, simulation::export::fields};

/// A parameter with its value in each run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedParameter {
    pub name: String,
    /// One value for each run; empty if the run's plan lacks the parameter.
    pub values: Vec<String>,
}

impl ComparedParameter {
    /// Whether the runs have different values.
    pub fn differs(&self) -> bool {
        self.values.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// Returns every field of any of the plans. The fields come from the serialised plan, so that none
/// can be missed.
pub fn of(runs: &[RunSnapshot]) -> Vec<ComparedParameter> {
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
    let parameters = names.iter().map(|name| ComparedParameter {
        name: parameter_name(name),
        values: plans.iter().map(|plan| of_plan(plan, name)).collect(),
    });
    parameters.collect()
}

/// Converts a field name to a label: `race_window_ms` becomes `Race window (ms)`.
pub fn parameter_name(field: &str) -> String {
    let words: Vec<&str> = field.split('_').collect();
    let (name, unit) = match words.as_slice() {
        [name @ .., "per", "s"] => (name.join(" "), " (per s)"),
        [name @ .., "s"] => (name.join(" "), " (s)"),
        // The unit can also be in the middle, when the field has nested fields.
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
    fn a_label_contains_the_unit() {
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
    fn a_parameter_that_one_plan_lacks_differs() {
        let run = crate::simulation::comparison::tests::empty_run();
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

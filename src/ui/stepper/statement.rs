//! A statement and its result.

use leptos::prelude::*;

use crate::model::stepper::{Statement, StatementResultView};

/// The columns to show in the summary of a row, if the row has them.
const SUMMARY_COLUMNS: [&str; 8] = [
    "available",
    "reserved",
    "sold",
    "version",
    "status",
    "state",
    "quantity",
    "name",
];

/// Shows a shortened statement, with the full text in a collapsible element.
#[component]
pub fn Sql(statement: Statement) -> impl IntoView {
    let brief = statement.abbreviated();
    let whole = (brief != statement.sql).then(|| {
        let values = statement.values_in_words();
        view! {
            <details class="sql__whole">
                <summary>"Full statement"</summary>
                <code class="sql__text">{statement.sql.clone()}</code>
                {(!values.is_empty()).then(|| view! { <p class="sql__values">{values.clone()}</p> })}
            </details>
        }
    });
    let class = if statement.highlighted {
        "sql sql--matters"
    } else {
        "sql"
    };
    view! {
        <div class=class>
            {statement.highlighted.then(|| view! { <span class="sql__flag">"The line that matters"</span> })}
            <code class="sql__brief">{brief}</code>
            {whole}
        </div>
    }
}

/// Shows the result of a statement in one line.
#[component]
pub fn ResultLine(result: StatementResultView) -> impl IntoView {
    let (class, text) = match &result {
        StatementResultView::Done => ("answer", "done".to_owned()),
        StatementResultView::Affected(1) => ("answer", "1 row affected".to_owned()),
        StatementResultView::Affected(0) => ("answer answer--none", "0 rows affected".to_owned()),
        StatementResultView::Affected(rows) => ("answer", format!("{rows} rows affected")),
        StatementResultView::Rows { columns, rows } => match rows.as_slice() {
            [] => ("answer answer--none", "0 rows".to_owned()),
            [row] => ("answer answer--read", summarise_row(columns, row)),
            rows => ("answer answer--read", format!("{} rows", rows.len())),
        },
        StatementResultView::Failed { sqlstate, message } => (
            "answer answer--failed",
            format!("{} {message}", sqlstate.as_deref().unwrap_or("failed:")),
        ),
    };
    let whole = match result {
        StatementResultView::Rows { columns, rows } if !rows.is_empty() => {
            Some(table(&columns, &rows))
        }
        _ => None,
    };
    view! {
        <p class=class><span class="answer__arrow" aria-hidden="true">"→"</span>" "{text}</p>
        {whole}
    }
}

fn summarise_row(columns: &[String], row: &[Option<String>]) -> String {
    let cells = columns.iter().zip(row);
    let summary: Vec<_> = cells
        .filter(|(column, _)| SUMMARY_COLUMNS.contains(&column.as_str()))
        .map(|(column, cell)| format!("{column} {}", cell.as_deref().unwrap_or("NULL")))
        .collect();
    if summary.is_empty() {
        "1 row".to_owned()
    } else {
        summary.join(" · ")
    }
}

fn table(columns: &[String], rows: &[Vec<Option<String>>]) -> impl IntoView + use<> {
    let cells = rows.iter().map(|row| {
        let pairs = columns.iter().zip(row).map(|(column, cell)| {
            let cell = cell.clone().unwrap_or_else(|| "NULL".to_owned());
            view! { <dt>{column.clone()}</dt><dd>{cell}</dd> }
        });
        view! { <dl class="row-read">{pairs.collect_view()}</dl> }
    });
    let cells = cells.collect_view();
    view! { <details class="sql__whole"><summary>"Rows read"</summary>{cells}</details> }
}

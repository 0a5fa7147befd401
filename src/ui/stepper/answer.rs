//! A statement and what came back of it.

use leptos::prelude::*;

use crate::model::stepper::{Answer, Statement};

/// Columns that tell a story, if they are there.
const TELLING: [&str; 8] = [
    "available",
    "reserved",
    "sold",
    "version",
    "status",
    "state",
    "quantity",
    "name",
];

/// A statement in brief, with its whole text to be opened below it.
#[component]
pub fn Sql(statement: Statement) -> impl IntoView {
    let brief = statement.brief();
    let whole = (brief != statement.sql).then(|| {
        let values = statement.values.iter().enumerate();
        let values: Vec<_> = values
            .map(|(index, value)| format!("${} = {value}", index + 1))
            .collect();
        view! {
            <details class="sql__whole">
                <summary>"As sent"</summary>
                <code class="sql__text">{statement.sql.clone()}</code>
                {(!values.is_empty()).then(|| view! { <p class="sql__values">{values.join(", ")}</p> })}
            </details>
        }
    });
    let class = if statement.matters {
        "sql sql--matters"
    } else {
        "sql"
    };
    view! {
        <div class=class>
            {statement.matters.then(|| view! { <span class="sql__flag">"The line that matters"</span> })}
            <code class="sql__brief">{brief}</code>
            {whole}
        </div>
    }
}

/// What came back, in a line.
#[component]
pub fn AnswerLine(answer: Answer) -> impl IntoView {
    let (class, text) = match &answer {
        Answer::Done => ("answer", "done".to_owned()),
        Answer::Affected(1) => ("answer", "1 row affected".to_owned()),
        Answer::Affected(0) => ("answer answer--none", "no row affected".to_owned()),
        Answer::Affected(rows) => ("answer", format!("{rows} rows affected")),
        Answer::Rows { columns, rows } => match rows.as_slice() {
            [] => ("answer answer--none", "no row".to_owned()),
            [row] => ("answer answer--read", one_row(columns, row)),
            rows => ("answer answer--read", format!("{} rows", rows.len())),
        },
        Answer::Failed { sqlstate, message } => (
            "answer answer--failed",
            format!("{} {message}", sqlstate.as_deref().unwrap_or("failed:")),
        ),
    };
    let whole = match answer {
        Answer::Rows { columns, rows } if !rows.is_empty() => Some(table(&columns, &rows)),
        _ => None,
    };
    view! {
        <p class=class><span class="answer__arrow" aria-hidden="true">"→"</span>" "{text}</p>
        {whole}
    }
}

fn one_row(columns: &[String], row: &[Option<String>]) -> String {
    let cells = columns.iter().zip(row);
    let told: Vec<_> = cells
        .filter(|(column, _)| TELLING.contains(&column.as_str()))
        .map(|(column, cell)| format!("{column} {}", cell.as_deref().unwrap_or("NULL")))
        .collect();
    if told.is_empty() {
        "1 row".to_owned()
    } else {
        told.join(" · ")
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
    view! { <details class="sql__whole"><summary>"What was read"</summary>{cells}</details> }
}

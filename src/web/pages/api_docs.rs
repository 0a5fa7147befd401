//! `/api/docs`: the page to try the API. The server renders it from the OpenAPI document; the
//! script `api_docs.js` only sends requests and shows their answers.

mod operation;

use axum::http::request::Parts;
use leptos::prelude::*;

use self::operation::{Input, Operation, Place};
use super::{
    frame::{Bundle, Page, framed},
    page_head::PageHead,
};
use crate::{
    model::ShopError,
    web::{assets, json::openapi::ApiDocument},
};

/// `/api/docs`
#[component]
pub fn ApiDocsPage() -> impl IntoView {
    let parts = use_context::<Parts>();
    let document = parts.and_then(|parts| parts.extensions.get::<ApiDocument>().cloned());
    framed(|visit| async move {
        let document = document.ok_or(ShopError::UnknownPage)?;
        let origin = visit.public_url().to_owned();
        let body = view! { <ApiDocs document origin/> };
        Ok(Page::private("API", Bundle::None, body))
    })
}

#[component]
fn ApiDocs(document: ApiDocument, origin: String) -> impl IntoView {
    let operations = operation::operations(document.value());
    let groups = operation::tags(document.value())
        .into_iter()
        .map(|(tag, about)| {
            let of_tag: Vec<_> = operations.iter().filter(|one| one.tag == tag).collect();
            let label = tag.clone();
            view! {
                <section class="api-group" aria-label=label>
                    <h2>{tag}</h2>
                    <p class="api-about">{about}</p>
                    {of_tag.into_iter().map(|one| operation_view(one, &origin)).collect_view()}
                </section>
            }
        })
        .collect_view();
    view! {
        <main class="page" id="main" tabindex="-1">
            <PageHead title="API" lead="All requests that a program can send to this shop."/>
            <p class="api-about">
                "The same as an "<a href="/api/openapi.json">"OpenAPI 3.1 document"</a>", which also describes the events that the shop sends. What can go wrong: "
                <a href="/api/problems">"problem types"</a>". "
                <strong>"Requests from this page are real"</strong>": they sell, cancel and change things, in your session."
            </p>
            <noscript>
                <p class="api-about">
                    "To send requests from this page, allow JavaScript. Without it, use the command below each operation."
                </p>
            </noscript>
            {groups}
            <script defer src=assets::href("api_docs.js")></script>
        </main>
    }
}

fn operation_view(operation: &Operation, origin: &str) -> impl IntoView + use<> {
    let Operation {
        id,
        method,
        path,
        summary,
        description,
        inputs,
        json_body,
        answers,
        ..
    } = operation.clone();
    let command = command(operation, origin);
    let inputs = inputs
        .into_iter()
        .map(|input| input_view(&id, input))
        .collect_view();
    let body = json_body.map(|example| body_view(&id, example));
    let answers = answers
        .into_iter()
        .map(|(status, meaning)| view! { <dt>{status}</dt><dd>{meaning}</dd> })
        .collect_view();
    let label = format!("{method} {path}");
    view! {
        <details class="api-op" id=id>
            <summary>
                <span class="api-op__method">{method.clone()}</span>" "
                <code>{path.clone()}</code>" "
                <span class="api-op__summary">{summary}</span>
            </summary>
            <div class="api-op__body">
                <p class="api-about">{description}</p>
                <form class="fields" aria-label=label data-api-method=method data-api-path=path>
                    // The script enables it. Before that, the browser would put all fields into the
                    // address, also a password.
                    <fieldset class="fields" disabled=true>
                        {inputs}
                        {body}
                        <p><button class="btn btn--primary" type="submit" hidden=true>"Send"</button></p>
                    </fieldset>
                    <div class="api-op__answer" role="status" data-api-answer=""></div>
                </form>
                <h3>"Command"</h3>
                <pre class="source" tabindex="0" aria-label="Command"><code>{command}</code></pre>
                <h3>"Answers"</h3>
                <dl class="api-op__answers">{answers}</dl>
            </div>
        </details>
    }
}

/// Fields whose contents are not shown on the screen.
const SECRET_FIELDS: [&str; 3] = ["password", "card_number", "card_cvc"];

fn input_view(operation: &str, input: Input) -> impl IntoView + use<> {
    let id = format!("{operation}-{}-{}", input.place.as_str(), input.name);
    let place = match input.place {
        Place::Path => "in the path",
        Place::Query => "in the query",
        Place::Header => "a header",
        Place::Form if input.is_list => "a field, values separated by commas",
        Place::Form => "a field",
    };
    let hint = if input.description.is_empty() {
        place.to_owned()
    } else {
        format!("{place}. {}", input.description)
    };
    let hint_id = format!("{id}-hint");
    let control = if input.options.is_empty() {
        view! {
            <input
                class="field__input"
                id=id.clone()
                name=input.name.clone()
                type=if SECRET_FIELDS.contains(&input.name.as_str()) { "password" } else { "text" }
                autocomplete="off"
                required=input.is_required
                value=input.example
                data-api-place=input.place.as_str()
                data-api-list=input.is_list.then_some("")
                aria-describedby=hint_id.clone()
            />
        }
        .into_any()
    } else {
        let options = input
            .options
            .into_iter()
            .map(|option| view! { <option value=option.clone()>{option.clone()}</option> })
            .collect_view();
        view! {
            <select
                class="field__input"
                id=id.clone()
                name=input.name.clone()
                data-api-place=input.place.as_str()
                aria-describedby=hint_id.clone()
            >
                <option value="">"(none)"</option>
                {options}
            </select>
        }
        .into_any()
    };
    view! {
        <div class="field">
            <label class="field__label" for=id>{input.name}</label>
            {control}
            <span class="field__hint" id=hint_id>{hint}</span>
        </div>
    }
}

fn body_view(operation: &str, example: String) -> impl IntoView + use<> {
    let id = format!("{operation}-body");
    let rows = example.lines().count().clamp(3, 20);
    view! {
        <div class="field">
            <label class="field__label" for=id.clone()>"Body"</label>
            <textarea class="field__input mono" id=id rows=rows spellcheck="false" data-api-body="">
                {example}
            </textarea>
        </div>
    }
}

/// Returns the command that sends the request from a shell.
fn command(operation: &Operation, origin: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut path = operation.path.clone();
    let mut options = String::new();
    for input in &operation.inputs {
        match input.place {
            Place::Path => path = path.replace(&format!("{{{}}}", input.name), &input.example),
            Place::Form => {
                let field = quoted(&format!("{}={}", input.name, input.example));
                options.push_str(&format!(" \\\n  --data-urlencode {field}"));
            }
            Place::Query | Place::Header => {}
        }
    }
    if let Some(body) = &operation.json_body {
        options.push_str(" \\\n  -H 'Content-Type: application/json' \\\n  -d ");
        options.push_str(&quoted(body));
    } else if operation.method != "GET" && options.is_empty() {
        options.push_str(" \\\n  -d ''");
    }
    format!("curl {}{options}", quoted(&format!("{origin}{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, place: Place, example: &str) -> Input {
        Input {
            name: name.to_owned(),
            place,
            description: String::new(),
            is_required: false,
            is_list: false,
            example: example.to_owned(),
            options: Vec::new(),
        }
    }

    fn operation(method: &str, inputs: Vec<Input>, body: Option<&str>) -> Operation {
        Operation {
            id: "one".to_owned(),
            method: method.to_owned(),
            path: "/api/lamps/{id}".to_owned(),
            tag: String::new(),
            summary: String::new(),
            description: String::new(),
            inputs,
            json_body: body.map(ToOwned::to_owned),
            answers: Vec::new(),
        }
    }

    #[test]
    fn a_command_contains_path_fields_and_body_in_quotes() {
        let id = input("id", Place::Path, "7");
        let get = operation("GET", vec![id.clone()], None);
        assert_eq!(
            command(&get, "http://a.test"),
            "curl 'http://a.test/api/lamps/7'"
        );
        let form = operation(
            "POST",
            vec![id.clone(), input("note", Place::Form, "it's")],
            None,
        );
        assert_eq!(
            command(&form, ""),
            "curl '/api/lamps/7' \\\n  --data-urlencode 'note=it'\\''s'"
        );
        let json = operation("POST", vec![id.clone()], Some("{}"));
        assert_eq!(
            command(&json, ""),
            "curl '/api/lamps/7' \\\n  -H 'Content-Type: application/json' \\\n  -d '{}'"
        );
        let empty = operation("POST", vec![id], None);
        assert_eq!(command(&empty, ""), "curl '/api/lamps/7' \\\n  -d ''");
    }
}

//! `openapi.json`: the table of routes as programs read it.

use http::Method;
use serde_json::{Map, Value, json};

use super::about::{About, Field, Shape};
use crate::admin::doors::ApiRoute;
use crate::admin::paths::places;
use crate::admin::refusal::needed;

pub(super) const DOCUMENT: About = About::new("Describes the routes of this API, as OpenAPI 3.1.");

/// The whole document.
pub(super) fn document(routes: &[(ApiRoute, &'static About)]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (route, about) in routes {
        let (method, path, capability) = route.door();
        let at = paths.entry(path).or_insert_with(|| json!({}));
        let key = method.as_str().to_lowercase();
        let takes = format!("It takes {}.", needed(capability));
        at[key] = operation(*route, &method, path, about, &takes);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "callgate, operators' port",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": components(),
        "security": [{ "token": [] }, { "session": [] }],
    })
}

fn operation(
    route: ApiRoute,
    method: &Method,
    path: &'static str,
    about: &'static About,
    takes: &str,
) -> Value {
    let of_path = places(path).map(|place| {
        json!({ "name": place, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let of_query = about.queries().map(|field| {
        json!({
            "name": field.name, "in": "query", "required": field.required,
            "description": field.about, "schema": field.kind.schema(),
        })
    });
    let mut parameters: Vec<Value> = of_path.chain(of_query).collect();
    if about.matched {
        parameters.push(header(
            "If-Match",
            true,
            "the `ETag` of the state that is meant",
        ));
    }
    if *method != Method::GET {
        let what = "the same key again, within ten minutes, is the same call and is done once";
        parameters.push(header("Idempotency-Key", false, what));
    }
    let mut operation = json!({
        "operationId": format!("{route:?}"),
        "summary": about.summary,
        "description": takes,
        "parameters": parameters,
        "responses": {
            "2XX": { "description": "Done.", "content": content("application/json", &answer(about)) },
            "default": { "$ref": "#/components/responses/problem" },
        },
    });
    if !about.body.is_empty() {
        operation["requestBody"] = json!({
            "required": about.body.iter().any(|field| field.required),
            "content": content("application/json", &object_of(about.body, true)),
        });
    }
    operation
}

fn header(name: &str, required: bool, about: &str) -> Value {
    json!({
        "name": name, "in": "header", "required": required, "description": about,
        "schema": { "type": "string" },
    })
}

fn content(kind: &str, schema: &Value) -> Value {
    json!({ kind: { "schema": schema } })
}

/// What comes back; a page has items of what the route describes.
fn answer(about: &About) -> Value {
    let whole = object_of(about.answer, false);
    match about.shape {
        Shape::Document => whole,
        Shape::List | Shape::Pages => json!({
            "type": "object",
            "required": ["items", "next"],
            "properties": {
                "items": { "type": "array", "items": whole },
                "next": {
                    "type": ["string", "null"],
                    "description": "`cursor` of the next page; null on the last",
                },
            },
        }),
    }
}

/// `closed`: nothing else is taken.
fn object_of(fields: &[Field], closed: bool) -> Value {
    let properties = fields.iter().map(|field| {
        let mut schema = field.kind.schema();
        schema.insert("description".to_owned(), field.about.into());
        (field.name.to_owned(), Value::Object(schema))
    });
    let properties: Map<String, Value> = properties.collect();
    let required = fields.iter().filter(|field| field.required);
    let required: Vec<&str> = required.map(|field| field.name).collect();
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if closed {
        object["additionalProperties"] = json!(false);
    }
    object
}

fn components() -> Value {
    let problem = json!({
        "type": "object",
        "required": ["status", "code", "params", "message"],
        "properties": {
            "status": { "type": "integer", "description": "the status of HTTP" },
            "code": { "type": "string", "description": "what programs branch on" },
            "params": { "type": "object", "description": "what the message is about" },
            "message": { "type": "string", "description": "why, for people" },
        },
    });
    json!({
        "schemas": { "problem": problem },
        "responses": {
            "problem": {
                "description": "Not done, and why.",
                "content": content(
                    "application/problem+json",
                    &json!({ "$ref": "#/components/schemas/problem" }),
                ),
            },
        },
        "securitySchemes": {
            "token": { "type": "http", "scheme": "bearer" },
            "session": { "type": "apiKey", "in": "cookie", "name": "callgate" },
        },
    })
}

//! What one would write in Rust: axum, the aho-corasick crate, reqwest. `echo` as an argument leaves the words out.
use std::sync::Arc;
use std::time::{Duration, Instant};

use aho_corasick::AhoCorasick;
use arc_swap::ArcSwap;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Callback {
    content: String,
    content_type: i32,
}
#[derive(Deserialize)]
struct Text {
    content: String,
}
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    action_code: i32,
    err_code: i32,
    err_msg: &'static str,
    err_dlt: &'static str,
    next_code: i32,
}

const ALLOW: Answer = Answer {
    action_code: 0,
    err_code: 0,
    err_msg: "",
    err_dlt: "",
    next_code: 0,
};
const BLOCK: Answer = Answer {
    action_code: 0,
    err_code: 20001,
    err_msg: "message contains forbidden words",
    err_dlt: "",
    next_code: 1,
};

struct App {
    words: ArcSwap<AhoCorasick>,
    client: reqwest::Client,
    business: Option<String>,
}

fn fold(text: &str) -> String {
    caseless::default_case_fold_str(&text.nfkc().collect::<String>())
}

fn build() -> AhoCorasick {
    let started = Instant::now();
    let text = std::fs::read_to_string(std::env::var("WORDS").unwrap()).unwrap();
    let words: Vec<String> = text.lines().filter(|l| !l.is_empty()).map(fold).collect();
    let built = AhoCorasick::new(&words).unwrap();
    eprintln!("built in {} ms", started.elapsed().as_millis());
    built
}

async fn forward(app: &App, raw: Bytes) -> Response {
    let Some(url) = &app.business else {
        return Json(ALLOW).into_response();
    };
    let sent = app
        .client
        .post(format!("{url}/callbackBeforeSendSingleMsgCommand"))
        .header(CONTENT_TYPE, "application/json")
        .body(raw)
        .send()
        .await;
    match sent {
        Ok(answer) if answer.status().is_success() => match answer.bytes().await {
            Ok(body) => ([(CONTENT_TYPE, "application/json")], body).into_response(),
            Err(_) => Json(ALLOW).into_response(),
        },
        _ => Json(ALLOW).into_response(),
    }
}

async fn callback(State(app): State<Arc<App>>, raw: Bytes) -> Response {
    let Ok(call) = serde_json::from_slice::<Callback>(&raw) else {
        return axum::http::StatusCode::BAD_REQUEST.into_response();
    };
    if call.content_type == 101 {
        let text = serde_json::from_str::<Text>(&call.content).map_or(call.content, |t| t.content);
        if app.words.load().is_match(&fold(&text)) {
            return Json(BLOCK).into_response();
        }
    }
    forward(&app, raw).await
}

async fn echo(State(app): State<Arc<App>>, raw: Bytes) -> Response {
    forward(&app, raw).await
}

#[tokio::main]
async fn main() {
    let bare = std::env::args().nth(1).as_deref() == Some("echo");
    let business = std::env::var("BUSINESS").ok().filter(|b| !b.is_empty());
    let client = reqwest::Client::builder()
        .timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    let words = if bare {
        AhoCorasick::new(["x"]).unwrap()
    } else {
        build()
    };
    let app = Arc::new(App {
        words: ArcSwap::from_pointee(words),
        client,
        business,
    });
    let reloaded = app.clone();
    tokio::spawn(async move {
        let mut hup =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).unwrap();
        while hup.recv().await.is_some() {
            let built = tokio::task::spawn_blocking(build).await.unwrap();
            reloaded.words.store(Arc::new(built));
        }
    });
    let router = if bare {
        Router::new().route("/openim/{command}", post(echo))
    } else {
        Router::new().route("/openim/{command}", post(callback))
    };
    let port = std::env::var("PORT").unwrap();
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .unwrap();
    axum::serve(listener, router.with_state(app)).await.unwrap();
}

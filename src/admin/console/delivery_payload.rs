//! What an event says: for who may read what people wrote, and on record.

use axum::extract::{Request, State};
use http::StatusCode;
use maud::{Markup, html};

use super::delivery_words::{DeliveryWords, View, WORDS, filter, pending_filter};
use super::frame::{bytes, heading, hostile, link, missing, of_core, page, plan, problem, time};
use super::visit::{Answer, Visit};
use crate::admin::shown::Admin;
use crate::admin::{orders, outbox};
use crate::audit::Act;
use crate::proto::v1;

/// One event with its payload.
struct Payload {
    facts: Vec<(&'static str, Markup)>,
    body: Vec<u8>,
}

pub(in crate::admin) async fn payload_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let found = match View::of(visit.asks("view")) {
        View::Pending => pending(&admin, &visit, words).await,
        View::Dead | View::Discarded => dead(&admin, &visit, words).await,
    };
    let (act, payload) = match found {
        Ok((act, Some(payload))) => (act, payload),
        Ok((_, None)) => return Ok(missing(&visit, &html! { (words.no_payload) })),
        Err(status) => {
            let body = problem(Some(&of_core(&visit, status)));
            return Ok(page(
                StatusCode::SERVICE_UNAVAILABLE,
                &visit,
                words.payload,
                &body,
            ));
        }
    };
    // Nobody sees it before that is on record.
    if visit.asked.record(act.count("events", 1)).await.is_err() {
        let body = problem(Some(visit.words.ours));
        return Ok(page(
            StatusCode::SERVICE_UNAVAILABLE,
            &visit,
            words.payload,
            &body,
        ));
    }
    let text = String::from_utf8_lossy(&payload.body);
    let body = html! {
        (heading(words.payload, words.payload_lead))
        (plan(&payload.facts))
        pre tabindex="0" { (hostile(&visit, &text)) }
        p { (link("/delivery", words.back)) }
    };
    Ok(page(StatusCode::OK, &visit, words.payload, &body))
}

type Found = Result<(Act, Option<Payload>), tonic::Status>;

async fn dead(admin: &Admin, visit: &Visit, words: &'static DeliveryWords) -> Found {
    let request = v1::DeadLettersRequest {
        filter: Some(filter(|name| visit.asks(name).to_owned())),
        limit: 1,
        show: true,
        ..v1::DeadLettersRequest::default()
    };
    let act = orders::show_dead(visit.asked.who(), &request);
    let page = outbox::dead(&*admin.outbox, request).await?;
    let payload = page.letters.into_iter().next().map(|letter| Payload {
        facts: vec![
            (words.endpoint, hostile(visit, &letter.endpoint)),
            (words.hook, html! { code { (letter.hook) } }),
            (words.id, hostile(visit, &letter.id)),
            (words.lane, hostile(visit, &letter.lane)),
            (words.accepted, time(visit, letter.accepted_at_ms)),
            (words.died, time(visit, letter.died_at_ms)),
            (words.attempts, html! { (letter.attempts) }),
            (words.reason, hostile(visit, &letter.reason)),
            (words.answer, hostile(visit, &letter.answer)),
            (words.payload, html! { (bytes(letter.body_bytes)) }),
        ],
        body: letter.body.to_vec(),
    });
    Ok((act, payload))
}

async fn pending(admin: &Admin, visit: &Visit, words: &'static DeliveryWords) -> Found {
    let request = v1::PendingEventsRequest {
        filter: Some(pending_filter(|name| visit.asks(name).to_owned())),
        limit: 1,
        show: true,
        ..v1::PendingEventsRequest::default()
    };
    let act = orders::show_pending(visit.asked.who(), &request);
    let page = outbox::pending(&*admin.outbox, request).await?;
    let payload = page.events.into_iter().next().map(|event| Payload {
        facts: vec![
            (words.endpoint, hostile(visit, &event.endpoint)),
            (words.hook, html! { code { (event.hook) } }),
            (words.id, hostile(visit, &event.id)),
            (words.lane, hostile(visit, &event.lane)),
            (words.accepted, time(visit, event.accepted_at_ms)),
            (words.attempts, html! { (event.attempts) }),
            (words.state, html! { (words.waits(&event.state)) }),
            (words.reason, hostile(visit, &event.reason)),
            (words.payload, html! { (bytes(event.body_bytes)) }),
        ],
        body: event.body.to_vec(),
    });
    Ok((act, payload))
}

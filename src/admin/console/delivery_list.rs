//! The events of one kind: those that wait, that died, or that were given up.

use maud::{Markup, html};
use strum::VariantArray;

use super::delivery_acts::acts;
use super::delivery_words::{DeliveryWords, View, filter, pending_filter};
use super::frame::{
    empty, filters, hostile, number, of_core, optional, pager, problem, table, time,
};
use super::visit::Visit;
use crate::admin::outbox;
use crate::admin::shown::Admin;
use crate::operators::Capability;
use crate::proto::v1;

const ROWS: u32 = 50;

pub(super) async fn list(
    admin: &Admin,
    visit: &Visit,
    words: &DeliveryWords,
    view: View,
) -> Markup {
    // What can be done to nothing is not offered.
    let rows = match view {
        View::Dead => dead(admin, visit, words).await,
        View::Pending => pending(admin, visit, words).await,
        View::Discarded => discarded(admin, visit, words).await,
    };
    html! {
        nav .tabs aria-label=(words.kinds) {
            @for one in View::VARIANTS {
                a href=(visit.with("view", one.name())) aria-current=[(*one == view).then_some("page")] { (words.view(*one)) }
            }
        }
        (bar(visit, words, view))
        @match rows {
            Ok(Some(rows)) => { (rows) (acts(visit, words, view)) }
            Ok(None) => (nothing(words, view)),
            Err(status) => (problem(Some(&of_core(visit, status)))),
        }
    }
}

fn nothing(words: &DeliveryWords, view: View) -> Markup {
    match view {
        View::Dead => empty(words.no_dead, words.no_dead_hint),
        View::Pending => empty(words.no_pending, words.no_pending_hint),
        View::Discarded => empty(words.no_discarded, words.no_discarded_hint),
    }
}

fn bar(visit: &Visit, words: &DeliveryWords, view: View) -> Markup {
    let fields = html! {
        input type="hidden" name="view" value=(view.name());
        (optional(words.endpoint, "endpoint", "search", visit.asks("endpoint")))
        (optional(words.hook, "hook", "search", visit.asks("hook")))
        (optional(words.id, "id", "search", visit.asks("id")))
        @match view {
            View::Pending => (optional(words.lane, "lane", "search", visit.asks("lane"))),
            View::Dead | View::Discarded => (optional(words.reason, "reason", "search", visit.asks("reason"))),
        }
    };
    filters(visit, fields)
}

async fn dead(
    admin: &Admin,
    visit: &Visit,
    words: &DeliveryWords,
) -> Result<Option<Markup>, tonic::Status> {
    let request = v1::DeadLettersRequest {
        filter: Some(filter(|name| visit.asks(name).to_owned())),
        cursor: visit.asks("after").to_owned(),
        limit: ROWS,
        show: false,
    };
    let page = outbox::dead(&*admin.outbox, request).await?;
    if page.letters.is_empty() {
        return Ok(None);
    }
    let attempts = format!("#{}", words.attempts);
    let columns = [
        words.died,
        words.endpoint,
        words.hook,
        words.id,
        &attempts,
        words.reason,
    ];
    let rows = html! {
        @for letter in &page.letters {
            tr {
                td { (time(visit, letter.died_at_ms)) }
                td { (hostile(visit, &letter.endpoint)) }
                td { code { (letter.hook) } }
                td { (id(visit, View::Dead, &letter.endpoint, &letter.id)) div .hint { (hostile(visit, &letter.lane)) } }
                td .number { (number(u64::from(letter.attempts))) }
                td { (hostile(visit, &letter.reason)) }
            }
        }
    };
    Ok(Some(html! {
        (table(words.dead_caption, &columns, rows))
        (pager(visit, Some(&*page.next).filter(|next| !next.is_empty())))
    }))
}

async fn pending(
    admin: &Admin,
    visit: &Visit,
    words: &DeliveryWords,
) -> Result<Option<Markup>, tonic::Status> {
    let request = v1::PendingEventsRequest {
        filter: Some(pending_filter(|name| visit.asks(name).to_owned())),
        cursor: visit.asks("after").to_owned(),
        limit: ROWS,
        show: false,
    };
    let page = outbox::pending(&*admin.outbox, request).await?;
    if page.events.is_empty() {
        return Ok(None);
    }
    let attempts = format!("#{}", words.attempts);
    let columns = [
        words.accepted,
        words.endpoint,
        words.hook,
        words.id,
        words.state,
        &attempts,
        words.due,
        words.reason,
    ];
    let rows = html! {
        @for event in &page.events {
            tr {
                td { (time(visit, event.accepted_at_ms)) }
                td { (hostile(visit, &event.endpoint)) }
                td { code { (event.hook) } }
                td { (id(visit, View::Pending, &event.endpoint, &event.id)) div .hint { (hostile(visit, &event.lane)) } }
                td { (words.waits(&event.state)) }
                td .number { (number(u64::from(event.attempts))) }
                td { @if event.due_at_ms > 0 { (time(visit, event.due_at_ms)) } }
                td { (hostile(visit, &event.reason)) }
            }
        }
    };
    Ok(Some(html! {
        (table(words.pending_caption, &columns, rows))
        (pager(visit, Some(&*page.next).filter(|next| !next.is_empty())))
    }))
}

async fn discarded(
    admin: &Admin,
    visit: &Visit,
    words: &DeliveryWords,
) -> Result<Option<Markup>, tonic::Status> {
    let request = v1::DiscardedEventsRequest {
        filter: Some(filter(|name| visit.asks(name).to_owned())),
        cursor: visit.asks("after").to_owned(),
        limit: ROWS,
    };
    let page = outbox::discarded(&*admin.outbox, request).await?;
    if page.events.is_empty() {
        return Ok(None);
    }
    let columns = [
        words.given_up,
        words.endpoint,
        words.hook,
        words.id,
        words.reason,
    ];
    let rows = html! {
        @for event in &page.events {
            tr {
                td { (time(visit, event.discarded_at_ms)) }
                td { (hostile(visit, &event.endpoint)) }
                td { code { (event.hook) } }
                td { (hostile(visit, &event.id)) div .hint { (hostile(visit, &event.lane)) } }
                td { (hostile(visit, &event.reason)) }
            }
        }
    };
    Ok(Some(html! {
        (table(words.discarded_caption, &columns, rows))
        (pager(visit, Some(&*page.next).filter(|next| !next.is_empty())))
    }))
}

/// The id of an event, which leads to its payload where one may read it.
fn id(visit: &Visit, view: View, endpoint: &str, id: &str) -> Markup {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("view", view.name());
    query.append_pair("endpoint", endpoint);
    query.append_pair("id", id);
    html! {
        @match visit.may(Capability::Text) {
            true => a href={ "/delivery/payload?" (query.finish()) } data-row { (hostile(visit, id)) },
            false => (hostile(visit, id)),
        }
    }
}

//! Replays, discards and retries: first a plan, then what it says and nothing else.

use axum::extract::{Request, State};
use futures_util::StreamExt;
use http::StatusCode;
use maud::{Markup, html};

use super::delivery_words::{DeliveryWords, View, WORDS, filter, pending_filter};
use super::frame::{Confirm, done, field, heading, link, number, of_core, page, problem};
use super::plan_pages::{PlanPlace, run, see};
use super::visit::{Answer, Visit, go_to};
use crate::admin::outbox_plans::{self, OutboxAct, Wanted};
use crate::admin::shown::Admin;
use crate::admin::{orders, outbox};
use crate::operators::Capability;
use crate::proto::v1;

/// What can be done about the events that are listed; nothing for who may not.
pub(super) fn acts(visit: &Visit, words: &DeliveryWords, view: View) -> Markup {
    if !visit.may(Capability::Operate) || view == View::Discarded {
        return html! {};
    }
    let one_endpoint = !visit.asks("endpoint").is_empty();
    html! {
        section {
            h2 { (words.acts) }
            @match view {
                View::Dead => {
                    p .hint { (words.acts_hint) }
                    div .acts {
                        (plan_form(visit, "replay", words.replay, ""))
                        (plan_form(visit, "discard", words.discard, "danger"))
                    }
                }
                _ => {
                    form method="post" action="/delivery/retry" {
                        (brought(visit, &["endpoint", "hook", "id", "lane"]))
                        div .row {
                            (field(words.why, "why", "text", "off", ""))
                            button { (words.retry) }
                        }
                    }
                    @if one_endpoint {
                        div .acts { (plan_form(visit, "discard_pending", words.discard_pending, "danger")) }
                    }
                }
            }
        }
    }
}

/// `act` is one of [`OutboxAct`], by its name.
fn plan_form(visit: &Visit, act: &str, name: &str, class: &str) -> Markup {
    let fields: &[&str] = match act {
        "discard_pending" => &["endpoint"],
        _ => &["endpoint", "hook", "id", "reason"],
    };
    html! {
        form .apart[class == "danger"] method="post" action="/delivery/plans" {
            input type="hidden" name="act" value=(act);
            (brought(visit, fields))
            button class=(class) { (name) }
        }
    }
}

/// The filter of the page, which the form brings along.
fn brought(visit: &Visit, names: &[&str]) -> Markup {
    html! {
        @for name in names { input type="hidden" name=(name) value=(visit.asks(name)); }
    }
}

pub(in crate::admin) async fn make_plan(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let Ok(act) = visit.field("act").parse::<OutboxAct>() else {
        return Ok(refused(
            &visit,
            words,
            StatusCode::BAD_REQUEST,
            visit.words.bad_form,
        ));
    };
    let wanted = Wanted {
        act,
        filter: filter(|name| visit.field(name).to_owned()),
        rate: 0,
    };
    let made = match outbox_plans::draft(&admin, wanted).await {
        Ok(draft) => admin.plans.make(&visit.asked, draft).await,
        Err(status) => Err(status),
    };
    Ok(match made {
        Ok(seen) => go_to(&format!("/delivery/plans/{}", seen.id)),
        Err(status) => refused(
            &visit,
            words,
            StatusCode::CONFLICT,
            &of_core(&visit, status),
        ),
    })
}

pub(in crate::admin) async fn plan_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    Ok(see(&admin, &visit, &place(&visit)))
}

pub(in crate::admin) async fn run_plan(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    Ok(run(&admin, &visit, &place(&visit)).await)
}

fn place(visit: &Visit) -> PlanPlace<'_> {
    PlanPlace {
        path: &visit.path,
        back: "/delivery",
        to: visit.say(&WORDS).back,
    }
}

pub(in crate::admin) async fn retry(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let why = visit.field("why").trim();
    if why.is_empty() {
        let needs_why = Confirm::needs_why(&visit);
        return Ok(refused(&visit, words, StatusCode::BAD_REQUEST, needs_why));
    }
    let request = v1::RetryPendingRequest {
        filter: Some(pending_filter(|name| visit.field(name).to_owned())),
    };
    let act = orders::retry(visit.asked.who(), &request).because(why);
    let Ok(begun) = visit.asked.begin(act).await else {
        return Ok(refused(
            &visit,
            words,
            StatusCode::SERVICE_UNAVAILABLE,
            visit.words.ours,
        ));
    };
    let progress = outbox::retry(admin.outbox.clone(), request, admin.clock);
    let mut progress = orders::audited(progress, begun);
    let mut retried = 0;
    while let Some(step) = progress.next().await {
        match step {
            Ok(step) => retried = step.done,
            Err(status) => {
                let why = of_core(&visit, status);
                return Ok(refused(
                    &visit,
                    words,
                    StatusCode::SERVICE_UNAVAILABLE,
                    &why,
                ));
            }
        }
    }
    let body = html! {
        (heading(words.title, words.lead))
        (done(html! { (words.retried) " " (number(retried)) }))
        p { (link("/delivery?view=pending", words.back)) }
    };
    Ok(page(StatusCode::OK, &visit, words.title, &body))
}

fn refused(
    visit: &Visit,
    words: &DeliveryWords,
    status: StatusCode,
    why: &str,
) -> axum::response::Response {
    let body = html! {
        (heading(words.title, words.lead))
        (problem(Some(why)))
        p { (link("/delivery", words.back)) }
    };
    page(status, visit, words.title, &body)
}

//! Replays, discards and retries: first a plan, then what it says and nothing else.

use axum::extract::{Request, State};
use futures_util::StreamExt;
use http::StatusCode;
use maud::{Markup, html};

use super::delivery_words::{DeliveryWords, View, WORDS, filter, pending_filter};
use super::frame::{
    Confirm, Tone, done, field, heading, hostile, link, missing, notice, number, page, problem,
};
use super::visit::{Answer, Visit, go_to};
use crate::admin::outbox_plans::{self, OutboxAct, Wanted};
use crate::admin::plans::{NotRun, PlanState, Said, Seen};
use crate::admin::problem::ApiProblem;
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
        Err(status) => refused(&visit, words, StatusCode::CONFLICT, status.message()),
    })
}

pub(in crate::admin) async fn plan_page(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let Some(seen) = admin.plans.see(&visit.asked, visit.param("id")) else {
        return Ok(missing(&visit, &html! { (words.plan_over) }));
    };
    Ok(shown(&admin, &visit, words, &seen, StatusCode::OK, None))
}

pub(in crate::admin) async fn run_plan(State(admin): State<Admin>, request: Request) -> Answer {
    let visit = Visit::of(&admin, request).await?;
    let words = visit.say(&WORDS);
    let id = visit.param("id");
    let Some(seen) = admin.plans.see(&visit.asked, id) else {
        return Ok(missing(&visit, &html! { (words.plan_over) }));
    };
    let said = Said {
        why: visit.field("why").to_owned(),
        name: visit.field("typed").to_owned(),
        password: visit.field("password").to_owned(),
    };
    let run = admin.plans.run(&admin.operators, &visit.asked, id, said);
    let why = match run.await {
        // Asked for by its address, so that loading it again does nothing.
        Ok(_) | Err(NotRun::Used) => return Ok(go_to(&visit.path)),
        Err(why) => why,
    };
    let words_for = match &why {
        NotRun::NoReason => Some(Confirm::needs_why(&visit)),
        NotRun::NoName(_) => Some(Confirm::needs_name(&visit)),
        NotRun::NoPassword => Some(Confirm::wrong_password(&visit)),
        _ => None,
    };
    let problem = ApiProblem::from(why);
    let text = words_for.map_or_else(|| problem.message().to_owned(), str::to_owned);
    Ok(shown(
        &admin,
        &visit,
        words,
        &seen,
        problem.status,
        Some(&text),
    ))
}

/// A plan before it is run, while it is, and after.
fn shown(
    admin: &Admin,
    visit: &Visit,
    words: &DeliveryWords,
    seen: &Seen,
    status: StatusCode,
    wrong: Option<&str>,
) -> axum::response::Response {
    let summary = html! { p { strong { (hostile(visit, &seen.summary)) } } };
    let action = format!("/delivery/plans/{}", seen.id);
    let confirm = Confirm {
        plan: summary.clone(),
        action: &action,
        brings: &[],
        rows: seen.rows,
        name: seen.confirm.as_deref().unwrap_or_default(),
        button: words.run,
        back: "/delivery",
    };
    let so_far = html! { p { (words.done) ": " (number(seen.done)) " " (words.of) " " (number(seen.rows)) } };
    let body = html! {
        (heading(words.plan, words.plan_lead))
        @match &seen.state {
            PlanState::Planned => (confirm.form(admin, visit, wrong)),
            PlanState::Running => div #live data-live="delivery" {
                (notice(Tone::Info, html! { p { (words.running) } (summary) (so_far) }))
            },
            PlanState::Done => (done(html! { (words.ended) " " (hostile(visit, &seen.summary)) (so_far) })),
            PlanState::Failed(why) => {
                (notice(Tone::Bad, html! { p { (words.failed) ": " (hostile(visit, why.message())) } (summary) (so_far) }))
            }
        }
        @if !matches!(seen.state, PlanState::Planned) { p { (link("/delivery", words.back)) } }
    };
    page(status, visit, words.plan, &body)
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
                let status = status.message();
                return Ok(refused(
                    &visit,
                    words,
                    StatusCode::SERVICE_UNAVAILABLE,
                    status,
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

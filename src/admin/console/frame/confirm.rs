//! The page before a dangerous act: what will be done, why, and by whom.

use http::StatusCode;
use maud::{Markup, Render, html};

use super::super::visit::{Visit, told};
use super::chips::hostile;
use super::forms::field;
use super::parts::problem;
use super::texts::TEXTS;
use crate::admin::shown::Admin;

/// From so many rows on the name of what is meant is typed.
const TYPED_FROM_ROWS: u64 = 101;

/// A dangerous act that is about to be done. The same value makes the page and judges its form.
pub(in super::super) struct Confirm<'a> {
    /// What will be done, to how much, as the plan has it.
    pub plan: Markup,
    /// Where the form is sent to.
    pub action: &'a str,
    /// What the form brings along, such as the id of the plan.
    pub brings: &'a [(&'a str, &'a str)],
    /// How many rows it is about, and what is typed when they are many.
    pub rows: u64,
    pub name: &'a str,
    pub button: &'a str,
    /// Where one goes who does not want it.
    pub back: &'a str,
}

/// What was said in the form.
#[derive(Debug)]
pub(in super::super) struct Confirmed {
    pub why: String,
}

impl Confirm<'_> {
    /// The form; `wrong` is what was wrong with it the last time.
    pub(in super::super) fn form(
        &self,
        admin: &Admin,
        visit: &Visit,
        wrong: Option<&str>,
    ) -> Markup {
        let texts = visit.say(&TEXTS);
        html! {
            (problem(wrong))
            div .plan { (self.plan) }
            form .confirm method="post" action=(self.action) {
                @for (name, value) in self.brings { input type="hidden" name=(name) value=(value); }
                (field(texts.why, "why", "text", "off", visit.field("why")))
                p .hint { (texts.why_hint) }
                @if self.is_typed() {
                    p { (texts.typed) " " (hostile(visit, self.name)) }
                    (field(texts.typed, "typed", "text", "off", ""))
                }
                @if needs_password(admin, visit) {
                    (field(texts.password, "password", "password", "current-password", ""))
                    p .hint { (texts.password_hint) }
                }
                div .acts {
                    button .danger { (self.button) }
                    a .button href=(self.back) { (texts.cancel) }
                }
            }
        }
    }

    /// Judges the form.
    ///
    /// Errors: with what it is to be shown again.
    pub(in super::super) async fn judge(
        &self,
        admin: &Admin,
        visit: &Visit,
    ) -> Result<Confirmed, (StatusCode, &'static str)> {
        let texts = visit.say(&TEXTS);
        let why = visit.field("why").trim();
        if why.is_empty() {
            return Err((StatusCode::BAD_REQUEST, texts.needs_why));
        }
        if self.is_typed() && visit.field("typed").trim() != self.name.trim() {
            return Err((StatusCode::BAD_REQUEST, texts.needs_name));
        }
        if needs_password(admin, visit) {
            prove(admin, visit).await?;
        }
        Ok(Confirmed {
            why: why.to_owned(),
        })
    }

    pub(in super::super) fn needs_why(visit: &Visit) -> &'static str {
        visit.say(&TEXTS).needs_why
    }

    pub(in super::super) fn needs_name(visit: &Visit) -> &'static str {
        visit.say(&TEXTS).needs_name
    }

    pub(in super::super) fn wrong_password(visit: &Visit) -> &'static str {
        visit.say(&TEXTS).wrong_password
    }

    fn is_typed(&self) -> bool {
        self.rows >= TYPED_FROM_ROWS
    }
}

/// Who is not logged in has no password: a token, or anybody before the first operator.
fn needs_password(admin: &Admin, visit: &Visit) -> bool {
    let session = visit.logged_in().ok();
    session.is_some_and(|(_, _, secret)| !admin.operators.is_proved(&secret))
}

async fn prove(admin: &Admin, visit: &Visit) -> Result<(), (StatusCode, &'static str)> {
    let Ok((_, _, session)) = visit.logged_in() else {
        return Ok(());
    };
    let password = visit.field("password").to_owned();
    let proved = admin.operators.prove(&session, password, visit.asked.from);
    proved.await.map_err(|error| match error {
        crate::operators::OperatorsError::Wrong => {
            (StatusCode::FORBIDDEN, visit.say(&TEXTS).wrong_password)
        }
        error => told(&error, visit.words),
    })
}

/// What is planned, as a list of names and values.
pub(in super::super) fn plan(rows: &[(&str, Markup)]) -> Markup {
    html! {
        dl .facts {
            @for (name, value) in rows { dt { (name) } dd { (value.render()) } }
        }
    }
}

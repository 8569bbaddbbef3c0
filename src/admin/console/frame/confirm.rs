//! The page before a dangerous act: what will be done, why, and by whom.

use maud::{Markup, Render, html};

use super::super::language::Language;
use super::super::visit::{Visit, told};
use super::chips::hostile;
use super::core_words::of_core;
use super::forms::field;
use super::parts::problem;
use super::texts::TEXTS;
use crate::admin::plans::{NotRun, Summary};
use crate::admin::shown::Admin;

/// From so many rows on the name of what is meant is typed.
const TYPED_FROM_ROWS: u64 = 101;

/// A dangerous act that is about to be done. Its form brings `why`, and where it takes them
/// `typed` and `password`; `admin/plans.rs` judges them.
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
                (Confirm::password(admin, visit, "password"))
                div .acts {
                    button .danger { (self.button) }
                    a .button href=(self.back) { (texts.cancel) }
                }
            }
        }
    }

    /// The field `password`, where it must be given again; `id` is its own on the page.
    pub(in super::super) fn password(admin: &Admin, visit: &Visit, id: &str) -> Markup {
        let texts = visit.say(&TEXTS);
        html! {
            @if needs_password(admin, visit) {
                div .field {
                    label for=(id) { (texts.password) }
                    input id=(id) name="password" type="password" autocomplete="current-password" required;
                }
                p .hint { (texts.password_hint) }
            }
        }
    }

    /// Why it was not done, in the reader's language where it is about what the form says.
    pub(in super::super) fn told(visit: &Visit, why: &NotRun) -> String {
        let texts = visit.say(&TEXTS);
        match why {
            NotRun::Unknown | NotRun::Used => texts.plan_over.to_owned(),
            NotRun::NoReason => texts.needs_why.to_owned(),
            NotRun::NoName(_) => texts.needs_name.to_owned(),
            NotRun::NoPassword => Confirm::wrong_password(visit).to_owned(),
            NotRun::Operators(error) => told(error, visit.words).1.to_owned(),
            NotRun::Status(status) => of_core(visit, status.clone()),
        }
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

/// What a plan says of itself, in the language of the reader.
pub(in super::super) fn summary_of(visit: &Visit, summary: &Summary) -> Markup {
    hostile(
        visit,
        match visit.language() {
            Language::English => &summary.english,
            Language::Chinese => &summary.chinese,
        },
    )
}

/// What is planned, as a list of names and values.
pub(in super::super) fn plan(rows: &[(&str, Markup)]) -> Markup {
    html! {
        dl .facts {
            @for (name, value) in rows { dt { (name) } dd { (value.render()) } }
        }
    }
}

//! Pages for people. They work without JavaScript, which only makes them pleasanter.
//!
//! # How to add a page
//!
//! 1. `console/NAME.rs` with `pub(in crate::admin) async fn NAME_page(State(admin): State<Admin>,
//!    request: Request) -> Answer`. Its first line is `let visit = Visit::of(&admin, request).await?;`:
//!    `visit` says who asks ([`may`](visit::Visit::may): show no button that one may not press),
//!    what stands in the address ([`asks`](visit::Visit::asks), [`param`](visit::Visit::param)) and
//!    in the form ([`field`](visit::Visit::field)), and keeps an act on record
//!    (`visit.asked.begin(act)`) before it is done. Forms are `method="post"`, and lead back with
//!    [`go_to`](visit::go_to).
//! 2. Its words: a struct of `&'static str` in its own file, and `static WORDS: Both<NameWords>` with
//!    both languages; `let words = visit.say(&WORDS);`. A gap does not compile.
//! 3. A line in `admin/doors.rs` with its capability, one in `admin/pages.rs`, and `pub(super) use`
//!    here. Pages take `View` at least; what changes something is a form, never a GET.
//! 4. One line in `frame/navigation.rs`.
//! 5. Its body of the parts in [`frame`]: [`heading`](frame::heading) with one sentence,
//!    [`filters`](frame::filters), [`table`](frame::table) with [`pager`](frame::pager),
//!    [`empty`](frame::empty) with a hint, [`badge`](frame::badge), [`time`](frame::time),
//!    [`number`](frame::number), [`chart`](frame::chart), [`diff`](frame::diff),
//!    [`Confirm`](frame::Confirm) before dangerous acts; then [`page`](frame::page). Text of
//!    messages, users and endpoints goes through [`hostile`](frame::hostile) or
//!    [`marked`](frame::marked) alone.
//!
//! Style is in `console.css` (variables for colours; no `style=`, which the browser refuses).
//! Keys and live parts need no code: `data-search` on the field that `/` goes to, `data-row` on the
//! first link of each row, `data-edit` on what `e` presses, `data-save` on the form that Ctrl+Enter
//! sends from anywhere; `data-typing="ID"` on a form whose answer replaces `#ID` while one types;
//! `id` and `data-live="TOPIC"` on a region that is taken anew when the topic of `/api/v1/events`
//! has changed.
//!
//! Order, downward: `hindered`, `setup`, `login`, `account`, `wrong_hit`, `replay`, `replay_words`, `list_plan`, `draft`, `draft_shown`, `list_conflict`, `lists`, `list_table`, `list_entry`, `list_move`, `list_parts`, `lists_words`, `overview`, `overview_words`, `overview_past`,
//! `audit`, `audit_words`, `decision`, `doctor`, `doctor_titles`, `doctor_words`, `decisions`, `decisions_words`, `troubles`, `hooks`, `hooks_words`, `set_up_text`,
//! `endpoints`, `endpoints_words`, `delivery`, `delivery_payload`, `delivery_list`, `delivery_acts`,
//! `delivery_words`,
//! `operators_acts`, `operators`, `tokens`, `appointing`, `operators_words`, `plan_pages`,
//! `trial_acts`, `trial`, `trial_words`, `trying`, `changes_acts`, `changes`, `changes_words`,
//! `explained`, `trying_words`, `frame`, `switches`, `visit`, `words`, `taste`,
//! `language`.

mod account;
mod appointing;
mod audit;
mod audit_words;
mod changes;
mod changes_acts;
mod changes_words;
mod decision;
mod decisions;
mod decisions_words;
mod delivery;
mod delivery_acts;
mod delivery_list;
mod delivery_payload;
mod delivery_words;
mod doctor;
mod doctor_titles;
mod doctor_words;
mod draft;
mod draft_shown;
mod endpoints;
mod endpoints_words;
mod explained;
mod frame;
mod hindered;
mod hooks;
mod hooks_words;
mod language;
mod list_conflict;
mod list_entry;
mod list_move;
mod list_parts;
mod list_plan;
mod list_table;
mod lists;
mod lists_words;
mod login;
mod operators;
mod operators_acts;
mod operators_words;
mod overview;
mod overview_past;
mod overview_words;
mod plan_pages;
mod replay;
mod replay_words;
mod set_up_text;
mod setup;
mod switches;
mod taste;
mod tokens;
mod trial;
mod trial_acts;
mod trial_words;
mod troubles;
mod trying;
mod trying_words;
mod visit;
mod words;
mod wrong_hit;

pub(super) use account::{account_page, change_password, end_sessions, make_token, remove_token};
pub(super) use audit::audit_page;
pub(super) use changes::{change_page, changes_page};
pub(super) use changes_acts::{patch, roll_back, rollback_page};
pub(super) use decision::decision_page;
pub(super) use decisions::decisions_page;
pub(super) use delivery::delivery_page;
pub(super) use delivery_acts::{make_plan, plan_page, retry, run_plan};
pub(super) use delivery_payload::payload_page;
pub(super) use doctor::doctor_page;
pub(super) use draft::{draft_page, draft_patch, save_list};
pub(super) use endpoints::endpoints_page;
pub(super) use frame::{script, setup_script, style};
pub(super) use hindered::hindered;
pub(super) use hooks::hooks_page;
pub(super) use list_entry::entry_page;
pub(super) use list_plan::{list_plan_page, plan_list, run_list_plan};
pub(super) use lists::{list_page, lists_page};
pub(super) use login::{log_in, log_out, login_page};
pub(super) use operators::{operator_page, operators_page};
pub(super) use operators_acts::{operator_plan_page, plan_operator, run_operator_plan};
pub(super) use overview::index;
pub(super) use replay::{force, replay_page};
pub(super) use setup::{set_up, setup_page};
pub(super) use switches::switch;
pub(super) use tokens::{take_token, tokens_page};
pub(super) use trial::trial_page;
pub(super) use trial_acts::{end_trial, promote, promotion_page, promotion_patch, start_trial};
pub(super) use trying::try_page;
pub(super) use wrong_hit::wrong_hit_page;

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
//! Order, downward: `setup`, `login`, `account`, `overview`, `overview_words`,
//! `troubles`, `frame`, `switches`, `visit`, `words`, `taste`,
//! `language`.

mod account;
mod frame;
mod language;
mod login;
mod overview;
mod overview_words;
mod setup;
mod switches;
mod taste;
mod troubles;
mod visit;
mod words;

pub(super) use account::{account_page, change_password, end_sessions, make_token, remove_token};
pub(super) use frame::{script, setup_script, style};
pub(super) use login::{log_in, log_out, login_page};
pub(super) use overview::index;
pub(super) use setup::{set_up, setup_page};
pub(super) use switches::switch;

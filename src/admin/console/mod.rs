//! Pages for people: the way in, and one's own account. They work without JavaScript.
//!
//! Order, downward: `setup`, `login`, `account`, `visit`, `layout`, `words`.

mod account;
mod layout;
mod login;
mod setup;
mod visit;
mod words;

pub(super) use account::{account_page, change_password, end_sessions, make_token, remove_token};
pub(super) use layout::{script, style};
pub(super) use login::{log_in, log_out, login_page};
pub(super) use setup::{set_up, setup_page};

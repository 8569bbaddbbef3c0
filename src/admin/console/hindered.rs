//! What a person is shown instead of a page: why it is not there for them, and where to go.

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{StatusCode, header};
use maud::{DOCTYPE, Markup, html};

use super::frame::{heading, hostile, link, page};
use super::language::Both;
use super::visit::Visit;
use crate::admin::acts::Asked;
use crate::admin::refusal::{Hindrance, Refusal};
use crate::admin::who::Who;
use crate::operators::Capability;

struct HinderedWords {
    nothing: &'static str,
    nothing_hint: &'static str,
    method: &'static str,
    method_hint: &'static str,
    forbidden: &'static str,
    takes: &'static str,
    forbidden_hint: &'static str,
    other_list: &'static str,
    list: &'static str,
    foreign: &'static str,
    foreign_hint: &'static str,
    host: &'static str,
    host_hint: &'static str,
    proxy: &'static str,
    proxy_hint: &'static str,
    unknown: &'static str,
    unknown_hint: &'static str,
    not_done: &'static str,
    wait_hint: &'static str,
    exactly: &'static str,
    to_overview: &'static str,
    to_login: &'static str,
    account: &'static str,
    viewer: &'static str,
    moderator: &'static str,
    operator: &'static str,
    text: &'static str,
    audit: &'static str,
}

static WORDS: Both<HinderedWords> = Both {
    english: HinderedWords {
        nothing: "There is no such page",
        nothing_hint: "The address leads nowhere. It may have been cut off, or be of another version of callgate.",
        method: "This is not a page",
        method_hint: "The address is what a form is sent to; what it did, if anything, stands on the page that the form is on.",
        forbidden: "You may not see or do this",
        takes: "It takes",
        forbidden_hint: "That you asked stands in the audit. An operator can give you more, on the page Operators.",
        other_list: "You may change other word lists than this one",
        list: "Word list",
        foreign: "Nothing was done",
        foreign_hint: "This did not come from a page of this callgate, so it may have been a stranger's doing. Open the page again and try from there. Behind a reverse proxy: it must pass `Host` on as the browser sent it.",
        host: "This port is not known under this name",
        host_hint: "A stranger's name may lead here, and its pages would then see what you see. Add the name to `admin.hosts` in engine.yaml, or use the address of the machine.",
        proxy: "Who you are is not believed",
        proxy_hint: "The reverse proxy before this port says who asks, and what it said does not do.",
        unknown: "Log in first",
        unknown_hint: "Nobody is set up yet, or you are not known here. The link for the first operator is in the log; `callgate operators invite` prints another.",
        not_done: "This was not done",
        wait_hint: "Try again in a while.",
        exactly: "In its own words:",
        to_overview: "To the overview",
        to_login: "Log in",
        account: "an account, and to be logged in to it",
        viewer: "the role viewer",
        moderator: "the role moderator",
        operator: "the role operator",
        text: "the right text",
        audit: "the right audit",
    },
    chinese: HinderedWords {
        nothing: "没有这个页面",
        nothing_hint: "此地址不指向任何页面。它可能不完整，或属于 callgate 的另一个版本。",
        method: "这不是页面",
        method_hint: "这是表单提交到的地址；若有任何操作，结果显示在表单所在的页面上。",
        forbidden: "您不能查看或执行此项",
        takes: "需要",
        forbidden_hint: "您的请求已记入审计日志。操作员可以在“操作员”页面上为您增加权限。",
        other_list: "您可以修改其他词表，但不能修改这个",
        list: "词表",
        foreign: "没有执行任何操作",
        foreign_hint: "此请求不是来自本 callgate 的页面，可能是他人所为。请重新打开页面再试。若前面有反向代理：它必须原样传递浏览器发送的 `Host`。",
        host: "此端口不认识这个名称",
        host_hint: "陌生人的域名可能指向这里，其页面就能看到您所看到的内容。请将该名称加入 engine.yaml 的 `admin.hosts`，或使用机器的地址。",
        proxy: "无法确认您的身份",
        proxy_hint: "此端口前的反向代理说明了访问者是谁，但其内容不被接受。",
        unknown: "请先登录",
        unknown_hint: "尚未设置操作员，或您未被识别。第一个操作员的链接在日志中；用 `callgate operators invite` 可以生成新的链接。",
        not_done: "没有执行",
        wait_hint: "请稍后再试。",
        exactly: "原文：",
        to_overview: "返回概览",
        to_login: "登录",
        account: "账户，并已登录",
        viewer: "viewer 角色",
        moderator: "moderator 角色",
        operator: "operator 角色",
        text: "text 权限",
        audit: "audit 权限",
    },
};

impl HinderedWords {
    fn needed(&self, capability: Capability) -> &'static str {
        match capability {
            Capability::Watch | Capability::Enter => "–",
            Capability::Account => self.account,
            Capability::View => self.viewer,
            Capability::Moderate => self.moderator,
            Capability::Operate | Capability::Appoint => self.operator,
            Capability::Text => self.text,
            Capability::Audit => self.audit,
        }
    }
}

/// The page that says what stands in the way.
pub(in crate::admin) fn hindered(
    hindrance: &Hindrance<'_>,
    asked: Asked,
    parts: &Parts,
    tls: bool,
) -> Response {
    let visit = Visit::bare(asked, parts, tls);
    let words = visit.say(&WORDS);
    let (status, title, lead, exactly) = match hindrance {
        Hindrance::Told(status, why) => (*status, words.not_done, wait(words, *status), *why),
        Hindrance::Refusal(refusal) => {
            let (title, lead, exactly) = told(words, refusal);
            (refusal.status(), title, lead, exactly)
        }
    };
    let body = html! {
        (heading(title, lead))
        @if let Hindrance::Refusal(Refusal::Forbidden(_, capability)) = hindrance {
            p { (words.takes) ": " strong { (words.needed(*capability)) } }
        }
        @match hindrance {
            Hindrance::Refusal(Refusal::OtherList(_, list)) => p { (words.list) ": " strong { (hostile(&visit, list)) } },
            _ if exactly.is_empty() => {}
            _ => p { (words.exactly) " " (hostile(&visit, exactly)) },
        }
        p { (way_out(&visit, words)) }
    };
    // Under a name that is not known nothing else would be served, not even our style.
    match hindrance {
        Hindrance::Refusal(Refusal::Host(_)) => bare(status, &visit, title, &body),
        _ => page(status, &visit, title, &body),
    }
}

fn wait(words: &HinderedWords, status: StatusCode) -> &'static str {
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => words.wait_hint,
        _ => "",
    }
}

/// Its title, what it means, and what of it only the refusal itself knows.
fn told<'a>(words: &HinderedWords, refusal: &'a Refusal) -> (&'static str, &'static str, &'a str) {
    match refusal {
        Refusal::Host(why) => (words.host, words.host_hint, why),
        Refusal::Foreign(why) => (words.foreign, words.foreign_hint, why),
        Refusal::Proxy(why) => (words.proxy, words.proxy_hint, why),
        Refusal::Unknown => (words.unknown, words.unknown_hint, ""),
        Refusal::Forbidden(..) => (words.forbidden, words.forbidden_hint, ""),
        Refusal::OtherList(..) => (words.other_list, words.forbidden_hint, ""),
        Refusal::Method => (words.method, words.method_hint, ""),
        Refusal::Nothing => (words.nothing, words.nothing_hint, ""),
    }
}

fn way_out(visit: &Visit, words: &HinderedWords) -> Markup {
    match visit.asked.who {
        Who::Nobody => link("/login", words.to_login),
        _ => link("/", words.to_overview),
    }
}

fn bare(status: StatusCode, visit: &Visit, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang=(visit.language().tag()) {
            head { meta charset="utf-8"; title { (title) " · callgate" } }
            body { main { (body) } }
        }
    };
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    (status, kind, page.into_string()).into_response()
}

//! How each kind of message service is made to call callgate.

use maud::{Markup, html};

use super::language::Both;
use super::visit::Visit;

struct SetUpWords {
    lead: &'static str,
    over_http: &'static str,
    over_grpc: &'static str,
    address: &'static str,
}

static WORDS: Both<SetUpWords> = Both {
    english: SetUpWords {
        lead: "In the configuration of your message service; CALLGATE is this machine as that one reaches it:",
        over_http: "its webhook port",
        over_grpc: "its gRPC port",
        address: "Both ports listen on this machine alone until http.listen or grpc.listen in engine.yaml says otherwise.",
    },
    chinese: SetUpWords {
        lead: "在消息服务的配置中填写；CALLGATE 是消息服务访问本机所用的地址：",
        over_http: "Webhook 端口",
        over_grpc: "gRPC 端口",
        address: "在 engine.yaml 的 http.listen 或 grpc.listen 更改之前，两个端口只监听本机。",
    },
};

/// A service, what to write where, as its documents have it.
const SERVICES: [(&str, &str); 6] = [
    (
        "OpenIM v3",
        "# webhooks.yml\nurl: http://CALLGATE:10006/openim\nbeforeSendSingleMsg:\n  enable: true",
    ),
    (
        "OpenIM v2",
        "# config.yaml\ncallback:\n  callbackUrl: http://CALLGATE:10006/callback",
    ),
    (
        "WuKongIM",
        "# v1, v2: wk.yaml\nwebhook:\n  httpAddr: http://CALLGATE:10006/wukongim\n\n# v3: wukongim.toml\n[webhook]\nhttp_addr = \"http://CALLGATE:10006/wukongim\"",
    ),
    (
        "chatServer",
        "authProxy:      http://CALLGATE:10006/chatserver/auth\nmsgResProxy:    http://CALLGATE:10006/chatserver/message\nactionResProxy: http://CALLGATE:10006/chatserver/action",
    ),
    (
        "FUNTEK, IMKIT",
        "webhook: http://CALLGATE:10006/funtek   # of a room, with botMode: true",
    ),
    (
        "gRPC",
        "callgate.v1.HookService/Before   at CALLGATE:50051\ncallgate.v1.HookService/After",
    ),
];

pub(super) fn set_up_text(visit: &Visit) -> Markup {
    let words = visit.say(&WORDS);
    html! {
        p { (words.lead) }
        @for (service, text) in SERVICES {
            details {
                summary {
                    (service) " · "
                    @if service == "gRPC" { (words.over_grpc) } @else { (words.over_http) }
                }
                pre tabindex="0" { (text) }
            }
        }
        p { (words.address) }
    }
}

//! What the pages say, in each language: one that lacks a text does not compile.

use http::{HeaderMap, header};

/// The texts of one language.
pub(super) struct Words {
    /// As HTML names it.
    pub language: &'static str,
    pub account: &'static str,
    pub ago_now: &'static str,
    pub change_password: &'static str,
    pub code: &'static str,
    pub code_hint: &'static str,
    pub days: &'static str,
    pub end_others: &'static str,
    pub expires: &'static str,
    pub from: &'static str,
    pub log_in: &'static str,
    pub log_out: &'static str,
    pub make_token: &'static str,
    pub name: &'static str,
    pub never: &'static str,
    pub new_password: &'static str,
    pub no_tokens: &'static str,
    pub old_password: &'static str,
    pub password: &'static str,
    pub password_changed: &'static str,
    pub password_hint: &'static str,
    pub remove: &'static str,
    pub role: &'static str,
    pub rights: &'static str,
    pub sessions: &'static str,
    pub set_up: &'static str,
    pub set_up_hint: &'static str,
    pub signed_in_as: &'static str,
    pub this_one: &'static str,
    pub token_once: &'static str,
    pub tokens: &'static str,
    pub used: &'static str,
    /// What went wrong, where the text of the error itself is not for strangers.
    pub wrong: &'static str,
    pub invitation: &'static str,
    pub other_name: &'static str,
    pub bad_name: &'static str,
    pub bad_password: &'static str,
    pub too_many: &'static str,
    pub beyond: &'static str,
    pub not_there: &'static str,
    pub full: &'static str,
    pub ours: &'static str,
    pub bad_form: &'static str,
}

const ENGLISH: Words = Words {
    language: "en",
    account: "Account",
    ago_now: "seen",
    change_password: "Change password",
    code: "Code",
    code_hint: "What stands behind # in the link.",
    days: "Days until it expires",
    end_others: "Log out everywhere else",
    expires: "expires",
    from: "from",
    log_in: "Log in",
    log_out: "Log out",
    make_token: "Make a token",
    name: "Name",
    never: "never",
    new_password: "New password",
    no_tokens: "No tokens.",
    old_password: "Present password",
    password: "Password",
    password_changed: "The password is changed; all other sessions have ended.",
    password_hint: "At least 10 characters.",
    remove: "Remove",
    role: "Role",
    rights: "rights",
    sessions: "Sessions",
    set_up: "Set up your account",
    set_up_hint: "The link is good once, within an hour. `callgate operators invite` prints another.",
    signed_in_as: "Logged in as",
    this_one: "this one",
    token_once: "This token is shown this once:",
    tokens: "Tokens",
    used: "used",
    wrong: "This is not the password of this name, or there is no such name.",
    invitation: "This link is used, or older than an hour. `callgate operators invite` prints another.",
    other_name: "This link is for somebody of another name.",
    bad_name: "A name has 1 to 64 letters, digits and the signs . _ - @.",
    bad_password: "A password has at least 10 characters, at most 256 bytes, and is not the name.",
    too_many: "Too many wait to log in from this network. Again in 30 seconds.",
    beyond: "This is more than your own role and rights.",
    not_there: "There is none any more.",
    full: "There are as many as can be.",
    ours: "It could not be kept, so nothing was changed. The log says why.",
    bad_form: "This form cannot be read.",
};

const CHINESE: Words = Words {
    language: "zh",
    account: "账户",
    ago_now: "最近使用",
    change_password: "修改密码",
    code: "邀请码",
    code_hint: "链接中 # 之后的内容。",
    days: "有效天数",
    end_others: "退出所有其他会话",
    expires: "到期",
    from: "来自",
    log_in: "登录",
    log_out: "退出",
    make_token: "新建令牌",
    name: "名称",
    never: "从未",
    new_password: "新密码",
    no_tokens: "没有令牌。",
    old_password: "当前密码",
    password: "密码",
    password_changed: "密码已修改，其他会话均已结束。",
    password_hint: "至少 10 个字符。",
    remove: "删除",
    role: "角色",
    rights: "权限",
    sessions: "会话",
    set_up: "设置账户",
    set_up_hint: "链接一小时内有效，只能使用一次。用 `callgate operators invite` 可以生成新的链接。",
    signed_in_as: "当前用户",
    this_one: "当前会话",
    token_once: "令牌只显示这一次：",
    tokens: "令牌",
    used: "最近使用",
    wrong: "名称不存在，或密码不正确。",
    invitation: "链接已被使用，或已超过一小时。用 `callgate operators invite` 可以生成新的链接。",
    other_name: "这个链接是给另一个名称的。",
    bad_name: "名称为 1 到 64 个字母、数字或 . _ - @ 符号。",
    bad_password: "密码至少 10 个字符，最多 256 字节，且不能与名称相同。",
    too_many: "此网络等待登录的请求过多，请 30 秒后再试。",
    beyond: "超出了您自己的角色和权限。",
    not_there: "已经不存在。",
    full: "数量已达上限。",
    ours: "无法保存，因此没有任何更改。原因见日志。",
    bad_form: "无法读取此表单。",
};

/// The first language of the browser's that there is, by its own order.
pub(super) fn words_for(headers: &HeaderMap) -> &'static Words {
    let wanted = headers.get(header::ACCEPT_LANGUAGE);
    let wanted = wanted.and_then(|value| value.to_str().ok()).unwrap_or("");
    let weighted = wanted.split(',').filter_map(|one| {
        let (language, rest) = one.split_once(';').unwrap_or((one, ""));
        let weight: f32 = match rest.trim().strip_prefix("q=") {
            Some(weight) => weight.parse().ok()?,
            None => 1.0,
        };
        let language = language.trim().to_lowercase();
        let words = match language.split('-').next()? {
            "en" => &ENGLISH,
            "zh" => &CHINESE,
            _ => return None,
        };
        (weight > 0.0).then_some((weight, words))
    });
    // Of equals the first.
    let best = weighted.reduce(|best, one| if one.0 > best.0 { one } else { best });
    best.map_or(&ENGLISH, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browsers_first_language_counts() {
        let check = |wanted: &'static str, language: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, wanted.parse().unwrap());
            assert_eq!(words_for(&headers).language, language, "{wanted}");
        };
        check("zh-CN,zh;q=0.9,en;q=0.8", "zh");
        check("en-US,en;q=0.9,zh;q=0.8", "en");
        check("de, zh-Hant;q=0.5, en;q=0.3", "zh");
        check("zh;q=0, en;q=0.1", "en");
        check("de", "en");
        check("", "en");
        check(";;q=,zh", "zh");
    }
}

//! What the core says of something that was not done, for who reads another language than it
//! speaks: first what that means, then its own words.

use http::StatusCode;

use super::super::language::Language;
use super::super::visit::Visit;
use crate::admin::problem::ApiProblem;
use crate::lists::NotSaved;
use crate::versions::RollbackError;

struct CoreWords {
    invalid: &'static str,
    forbidden: &'static str,
    not_found: &'static str,
    conflict: &'static str,
    too_many: &'static str,
    full: &'static str,
    unavailable: &'static str,
    broken: &'static str,
    stale: &'static str,
    read_only: &'static str,
    leads_out: &'static str,
    secret: &'static str,
    version: &'static str,
    not_shared: &'static str,
    disk: &'static str,
    no_list: &'static str,
    in_policy: &'static str,
    wrong_edits: &'static str,
    edited_by_others: &'static str,
    base_unknown: &'static str,
    broken_list: &'static str,
    no_policy: &'static str,
    busy: &'static str,
    not_a_list: &'static str,
    no_move: &'static str,
    half: &'static str,
}

/// In English the core's own words say it.
static CHINESE: CoreWords = CoreWords {
    invalid: "请求的内容无效",
    forbidden: "您没有这样做的权限",
    not_found: "没有找到",
    conflict: "与现在的状态冲突，没有执行",
    too_many: "次数过多，请稍后再试",
    full: "已满，没有执行",
    unavailable: "暂时不可用，请稍后再试",
    broken: "没有成功",
    stale: "制定计划后文件又被修改，请重新计划",
    read_only: "策略目录在这里不可写；请把补丁用到文件的来源处",
    leads_out: "这是指向策略目录之外的链接，不会写入",
    secret: "这是密钥，只保存了摘要，而现在是另一个：请先放回原来的文件",
    version: "无法读取此版本",
    not_shared: "各副本共用的策略版本没有接受它",
    disk: "无法读写文件",
    no_list: "没有这个词表",
    in_policy: "此词表的词写在 policy.yaml 中；要在这里编辑，请先移到文件中",
    wrong_edits: "有些修改无法进行",
    edited_by_others: "别人也修改了其中的条目",
    base_unknown: "修改所依据的内容已不可知；请查看词表现在的内容",
    broken_list: "磁盘上的词表有错误；请先修正文件",
    no_policy: "这样修改后策略无法生效",
    busy: "别人一直在写这个文件；请再试一次",
    not_a_list: "这段文字不是可以读取的词表",
    no_move: "不能这样移动",
    half: "两个词表现在都有这些条目；请再移动一次",
};

impl CoreWords {
    fn of_status(&self, status: StatusCode) -> &'static str {
        match status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => self.invalid,
            StatusCode::LOCKED => self.broken_list,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => self.forbidden,
            StatusCode::NOT_FOUND | StatusCode::GONE => self.not_found,
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => self.conflict,
            StatusCode::TOO_MANY_REQUESTS => self.too_many,
            StatusCode::INSUFFICIENT_STORAGE => self.full,
            StatusCode::SERVICE_UNAVAILABLE => self.unavailable,
            _ => self.broken,
        }
    }

    fn of_rollback(&self, error: &RollbackError) -> &'static str {
        match error {
            RollbackError::Stale => self.stale,
            RollbackError::ReadOnly { .. } => self.read_only,
            RollbackError::LeadsOut(_) => self.leads_out,
            RollbackError::SecretChanged(_) => self.secret,
            RollbackError::Version(_) => self.version,
            RollbackError::NotShared(_) => self.not_shared,
            RollbackError::Io { .. } => self.disk,
        }
    }

    fn of_list(&self, error: &NotSaved) -> &'static str {
        match error {
            NotSaved::NoList(..) => self.no_list,
            NotSaved::NoFile(_) => self.in_policy,
            NotSaved::NoMove(_) => self.no_move,
            NotSaved::Half(_) => self.half,
            NotSaved::Wrong(_) => self.wrong_edits,
            NotSaved::Conflicts(..) => self.edited_by_others,
            NotSaved::BaseUnknown(_) => self.base_unknown,
            NotSaved::Locked(_) => self.broken_list,
            NotSaved::Invalid(_) => self.no_policy,
            NotSaved::ReadOnly { .. } => self.read_only,
            NotSaved::Busy => self.busy,
            NotSaved::NotRead(_) => self.not_a_list,
            NotSaved::NotShared(_) => self.not_shared,
            NotSaved::Unreadable(_) | NotSaved::Io(_) => self.disk,
        }
    }
}

/// Why a word list was not changed, a line for each thing that is wrong.
pub(in super::super) fn of_not_saved(visit: &Visit, error: &NotSaved) -> String {
    let own = match error {
        NotSaved::Wrong(wrong) => lines(
            wrong
                .iter()
                .map(|one| format!("{}; {}", one.what, one.hint)),
        ),
        NotSaved::Invalid(problems) | NotSaved::Locked(problems) => {
            lines(problems.iter().map(ToString::to_string))
        }
        error => error.to_string(),
    };
    said(visit.language(), &own, |words| words.of_list(error))
}

fn lines(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join("\n")
}

/// Why something was not done, as the API or a gRPC call would be told.
pub(in super::super) fn of_core(visit: &Visit, why: impl Into<ApiProblem>) -> String {
    let why = why.into();
    said(visit.language(), why.message(), |words| {
        words.of_status(why.status)
    })
}

/// Why a version cannot be brought back.
pub(in super::super) fn of_rollback(visit: &Visit, error: &RollbackError) -> String {
    said(visit.language(), &error.to_string(), |words| {
        words.of_rollback(error)
    })
}

/// The core's own words beside what says in the reader's language what they mean.
pub(in super::super) fn quoted(visit: &Visit, own: &str) -> String {
    match visit.language() {
        Language::English => own.to_owned(),
        Language::Chinese => format!("（原文：{own}）"),
    }
}

fn said(language: Language, own: &str, meaning: impl FnOnce(&CoreWords) -> &'static str) -> String {
    match language {
        Language::English => own.to_owned(),
        Language::Chinese => format!("{}（原文：{own}）", meaning(&CHINESE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_meaning_stands_before_the_cores_own_words() {
        let told = |language, status| {
            said(language, "the outbox is closed", |words| {
                words.of_status(status)
            })
        };
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(told(Language::English, unavailable), "the outbox is closed");
        assert_eq!(
            told(Language::Chinese, unavailable),
            "暂时不可用，请稍后再试（原文：the outbox is closed）"
        );
        let stale = CHINESE.of_rollback(&RollbackError::Stale);
        assert_eq!(stale, CHINESE.stale);
    }
}

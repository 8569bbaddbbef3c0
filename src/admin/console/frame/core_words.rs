//! What the core says of something that was not done, for who reads another language than it
//! speaks: first what that means, then its own words.

use http::StatusCode;

use super::super::language::Language;
use super::super::visit::Visit;
use crate::admin::problem::ApiProblem;
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
};

impl CoreWords {
    fn of_status(&self, status: StatusCode) -> &'static str {
        match status {
            StatusCode::BAD_REQUEST => self.invalid,
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

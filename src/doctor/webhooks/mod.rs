//! The other side: does the IM server's own file send its calls here, hook by hook.
//!
//! Owns: reading the files of OpenIM and WuKongIM for where they call and what.
//! Leaves alone: the addresses in them, which are never called.
//!
//! Order, downward: `openim`, `wukongim`, `address`, `remark`, `reading`.

mod address;
mod openim;
mod reading;
mod remark;
mod wukongim;

use std::sync::Arc;

use super::said::Said;
use crate::policy::Snapshot;
use crate::settings::{Problem, Problems, Severity};
use reading::{toml, yaml};
use remark::remark;

pub use remark::{Here, Remark, RemarkKind};

/// `name` is what the file is called in what is said of it.
pub(super) fn look(name: &str, content: &[u8], snapshot: &Snapshot, here: &Here) -> Vec<Remark> {
    let file: Arc<str> = name.into();
    let problems = Problems::default();
    let root = match toml(&file, content) {
        Some(Ok(root)) => root,
        Some(Err(problem)) => {
            return vec![of_file(&problem, true)];
        }
        None => yaml(&file, content, &problems),
    };
    let mut remarks = match wukongim::is_its(&root) {
        true => wukongim::look(&file, &root, snapshot, here),
        false => openim::look(&file, &root, snapshot, here, &problems),
    };
    let problems = problems.into_sorted();
    let problems = problems.iter().map(|problem| {
        let is_grave = problem.severity == Severity::Error;
        of_file(problem, is_grave)
    });
    remarks.splice(0..0, problems);
    remarks
}

fn of_file(problem: &Problem, is_grave: bool) -> Remark {
    let meaning = match is_grave {
        true => "这个文件有错误",
        false => "这个文件有值得注意的地方",
    };
    let what = Said::quoted(meaning, problem.to_string());
    remark(RemarkKind::File, is_grave, what)
}

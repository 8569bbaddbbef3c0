//! `candidate`: another policy that is tried beside this one.

use crate::policy::trial::{TrialEnds, TrialMode, TrialRules};
use crate::settings::Field;

/// Of the conversations that it does not rule as many again are judged too, to compare with.
const RULING_SHARE_MAX: f64 = 0.5;

/// `None`: none is named. `is_candidate`: what is read is one itself.
pub(super) fn read(field: &Field<'_>, is_candidate: bool) -> Option<TrialRules> {
    let section = field.section();
    let directory = section.field("directory");
    let share = section.field("share");
    let ends = section.field("ends").section();
    let p99 = ends.field("p99");
    let rules = TrialRules {
        directory: directory.text().trim_end_matches('/').to_owned(),
        share: share.share(),
        mode: section
            .field("mode")
            .choice::<TrialMode>()
            .unwrap_or(TrialMode::Shadow),
        ends: TrialEnds {
            blocks: ends.field("blocks").share(),
            let_through: ends.field("let_through").share(),
            disagreement: ends.field("disagreement").share(),
            p99: p99.duration(),
        },
        promote_after: section.field("promote_after").duration(),
    };
    ends.finish();
    section.finish();
    if rules.directory.is_empty() {
        return None;
    }
    if is_candidate {
        directory.error(
            "a candidate has no candidate of its own",
            "take `candidate` out of the candidate's policy.yaml",
        );
        return None;
    }
    let is_inside = !rules.directory.starts_with('/') && !rules.directory.starts_with("..");
    if is_inside {
        directory.error(
            format!(
                "`{}` is inside the policy directory, whose files are all of this policy",
                rules.directory
            ),
            "put the candidate beside it: ../candidate",
        );
    }
    if rules.mode == TrialMode::Ruling && rules.share > RULING_SHARE_MAX {
        share.error(
            format!("a candidate rules at most {RULING_SHARE_MAX} of the conversations"),
            "as many again stay with the ruling policy, to compare with: write 0.5 or less",
        );
    }
    if rules.mode == TrialMode::Shadow && !rules.ends.p99.is_zero() {
        p99.error(
            "in the shadow nothing waits for the candidate, so its times say nothing",
            "write `mode: ruling`, or remove it",
        );
    }
    Some(rules)
}

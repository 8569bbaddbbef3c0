//! Commands on the wire, of every version, and the hooks that they are.

use crate::dialect::hooks::HookInfo;
use crate::event::Moment;

use super::v3::HOOKS;

/// The old form of joining a group: one member a call, and an answer of another shape.
pub(crate) const ONE_MEMBER_JOINS: &str = "callbackBeforeMemberJoinGroupCommand";

/// Commands of older versions and the hook that they are now.
const RENAMED: [(&str, &str); 18] = [
    ("callbackMsgModifyCommand", "beforeMsgModify"),
    ("callbackWordFilterCommand", "beforeMsgModify"),
    ("callbackUserOnlineCommand", "afterUserOnline"),
    ("callbackUserOfflineCommand", "afterUserOffline"),
    ("callbackUserKickOffCommand", "afterUserKickOff"),
    ("callbackOfflinePushCommand", "beforeOfflinePush"),
    ("callbackOnlinePushCommand", "beforeOnlinePush"),
    (
        "callbackSuperGroupOnlinePushCommand",
        "beforeGroupOnlinePush",
    ),
    ("callbackQuitGroupCommand", "afterQuitGroup"),
    ("callbackKillGroupCommand", "afterKickGroupMember"),
    ("callbackDisMissGroupCommand", "afterDismissGroup"),
    ("callbackGroupMsgReadCommand", "afterGroupMsgRead"),
    ("callbackSingleMsgRead", "afterSingleMsgRead"),
    ("callbackTransferGroupOwnerAfter", "afterTransferGroupOwner"),
    ("callbackAfterTransferGroupOwner", "afterTransferGroupOwner"),
    ("callbackBeforeSetFriendRemark", "beforeSetFriendRemark"),
    ("callbackAfterSetFriendRemark", "afterSetFriendRemark"),
    (ONE_MEMBER_JOINS, "beforeMemberJoinGroup"),
];

/// The hook that a command means, in whatever letter case and version.
pub(crate) fn by_command(command: &str) -> Option<&'static HookInfo> {
    if command.is_empty() {
        return None;
    }
    let now = HOOKS
        .iter()
        .find(|info| info.command.eq_ignore_ascii_case(command));
    now.or_else(|| {
        let (_, name) = RENAMED
            .iter()
            .find(|(old, _)| old.eq_ignore_ascii_case(command))?;
        HOOKS.iter().find(|info| info.hook.name == *name)
    })
}

/// When a command that is not known is sent, by its name. One that does not say it is taken for a
/// question: an answer that nobody waits for does no harm, and one that is missing may.
pub(crate) fn moment_of(command: &str) -> Moment {
    const START: &str = "callbackAfter";
    let start = command.get(..START.len());
    match start.is_some_and(|start| start.eq_ignore_ascii_case(START)) {
        true => Moment::After,
        false => Moment::Before,
    }
}

/// A string that names a command, known or not.
pub(crate) fn looks_like_command(text: &str) -> bool {
    let has_shape = || {
        let text = text.to_ascii_lowercase();
        // One release candidate has names that go on behind it: `…CommandEX`.
        text.starts_with("callback") && text.contains("command")
    };
    by_command(text).is_some() || has_shape()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::dialect::hooks::Ability;

    use super::super::v3::OTHER;
    use super::*;

    fn check(command: &str, hook: &str, moment: Moment) {
        let info = by_command(command).unwrap_or_else(|| panic!("`{command}` is not known"));
        assert_eq!((info.hook.name, info.hook.moment), (hook, moment));
    }

    #[test]
    fn there_are_53_names_and_52_commands_and_one_hook_for_others() {
        let names: BTreeSet<_> = HOOKS.iter().map(|info| info.hook.name).collect();
        let commands: BTreeSet<_> = HOOKS.iter().map(|info| info.command).collect();
        assert_eq!((names.len(), commands.len()), (54, 53));
        assert!(commands.contains(""));
    }

    #[test]
    fn commands_follow_the_rule_but_for_six() {
        let regular =
            |name: &str| format!("callback{}{}Command", name[..1].to_uppercase(), &name[1..]);
        let others: Vec<_> = HOOKS
            .iter()
            .filter(|info| info.hook.name != OTHER)
            .filter(|info| info.command != regular(info.hook.name))
            .map(|info| (info.hook.name, info.command))
            .collect();
        assert_eq!(
            others,
            [
                ("afterRevokeMsg", "callbackBeforeAfterMsgCommand"),
                (
                    "beforeMemberJoinGroup",
                    "callbackBeforeMembersJoinGroupCommand"
                ),
                (
                    "beforeInviteUserToGroup",
                    "callbackBeforeInviteJoinGroupCommand"
                ),
                ("beforeApplyJoinGroup", "callbackBeforeJoinGroupCommand"),
                ("afterKickGroupMember", "callbackAfterKickGroupCommand"),
                ("afterDismissGroup", "callbackAfterDisMissGroupCommand"),
                ("afterGroupMsgRevoke", ""),
            ]
        );
    }

    #[test]
    fn before_and_after_go_by_table() {
        for info in &HOOKS {
            let before = info.hook.name.starts_with("before");
            assert_eq!(info.hook.moment == Moment::Before, before, "{}", info.hook);
            assert_eq!(info.can == Ability::Acknowledge, !before, "{}", info.hook);
            assert!(!info.area.is_empty(), "{}", info.hook);
        }
        check(
            "callbackBeforeAfterMsgCommand",
            "afterRevokeMsg",
            Moment::After,
        );
    }

    #[test]
    fn old_names_and_any_letter_case_are_understood() {
        check(
            "CALLBACKwordfilterCOMMAND",
            "beforeMsgModify",
            Moment::Before,
        );
        check("callbackSingleMsgRead", "afterSingleMsgRead", Moment::After);
        check(
            "callbackKillGroupCommand",
            "afterKickGroupMember",
            Moment::After,
        );
        check(
            "CallbackBeforeSetGroupMemberInfoCommand",
            "beforeSetGroupMemberInfo",
            Moment::Before,
        );
        for (old, name) in RENAMED {
            check(old, name, by_command(old).unwrap().hook.moment);
        }
        assert!(by_command("").is_none());
        assert!(by_command("callbackGetMessageListReactionExtensionsCommand").is_none());
    }

    #[test]
    fn what_replaces_says_what_it_replaces() {
        for info in &HOOKS {
            let acts = info.answer.iter().any(|field| field.effect.acts());
            assert_eq!(acts, info.can_replace(), "{}", info.hook);
        }
        let replacing = HOOKS.iter().filter(|info| info.can_replace()).count();
        assert_eq!(replacing, 15);
    }
}

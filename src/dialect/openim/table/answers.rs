//! The fields of the answers that have many.

use crate::dialect::hooks::AnswerField;
use crate::dialect::hooks::Kind::{Bool, Bytes, Flags, Int32, PushInfo, Text, Texts};

use super::build::{echoed, ignored, overwrites, replaces, sets};

pub(super) const MSG_MODIFY: [AnswerField; 18] = [
    replaces("content", Text),
    replaces("recvID", Text),
    replaces("groupID", Text),
    replaces("clientMsgID", Text),
    replaces("serverMsgID", Text),
    replaces("senderPlatformID", Int32),
    replaces("senderNickname", Text),
    replaces("senderFaceURL", Text),
    replaces("sessionType", Int32),
    replaces("msgFrom", Int32),
    replaces("contentType", Int32),
    replaces("status", Int32),
    replaces("options", Flags),
    // The request does not tell whether the message has push information. OpenIM panics where it
    // has none, as it does without us.
    replaces("offlinePushInfo", PushInfo),
    replaces("atUserIDList", Texts),
    ignored("msgDataList", Bytes),
    replaces("attachedInfo", Text),
    replaces("ex", Text),
];

pub(super) const CREATE_GROUP: [AnswerField; 13] = [
    replaces("groupID", Text),
    replaces("groupName", Text),
    replaces("notification", Text),
    replaces("introduction", Text),
    replaces("faceURL", Text),
    replaces("ownerUserID", Text),
    replaces("ex", Text),
    replaces("status", Int32),
    replaces("creatorUserID", Text),
    replaces("groupType", Int32),
    replaces("needVerification", Int32),
    replaces("lookMemberInfo", Int32),
    ignored("applyMemberFriend", Int32),
];

pub(super) const SET_GROUP_INFO: [AnswerField; 9] = [
    overwrites("groupID", Text, "\"\""),
    overwrites("groupName", Text, "\"\""),
    echoed("notification", Text, "\"\""),
    overwrites("introduction", Text, "\"\""),
    overwrites("faceURL", Text, "\"\""),
    // Not echoed: "" and 0 in the request may mean that they are not set.
    sets("ex", Text),
    sets("needVerification", Int32),
    sets("lookMemberInfo", Int32),
    sets("applyMemberFriend", Int32),
];

pub(super) const SET_GROUP_INFO_EX: [AnswerField; 9] = [
    overwrites("groupID", Text, "\"\""),
    overwrites("groupName", Text, "null"),
    echoed("notification", Text, "null"),
    overwrites("introduction", Text, "null"),
    overwrites("faceURL", Text, "null"),
    overwrites("ex", Text, "null"),
    overwrites("needVerification", Int32, "null"),
    overwrites("lookMemberInfo", Int32, "null"),
    overwrites("applyMemberFriend", Int32, "null"),
];

pub(super) const CONVERSATION: [AnswerField; 7] = [
    replaces("recvMsgOpt", Int32),
    replaces("isPinned", Bool),
    replaces("isPrivateChat", Bool),
    replaces("burnDuration", Int32),
    replaces("groupAtType", Int32),
    replaces("attachedInfo", Text),
    replaces("ex", Text),
];

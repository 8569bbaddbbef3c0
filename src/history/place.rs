//! Where in a message a text stood, without what its writer may have put there.

use std::fmt::Write;

use super::hash::hash_of;

/// Names that IM servers give what is in a message. Whatever else a message calls its parts was
/// chosen by who wrote it.
const KNOWN: &[&str] = &[
    "abstractList",
    "advancedTextElem",
    "answer",
    "atTextElem",
    "atUserList",
    "atUsersInfo",
    "attachedInfo",
    "body",
    "cardElem",
    "content",
    "customElem",
    "data",
    "desc",
    "description",
    "ex",
    "extension",
    "faceElem",
    "faceURL",
    "fileElem",
    "fileName",
    "groupName",
    "groupNickname",
    "introduction",
    "locationElem",
    "markdownTextElem",
    "mergeElem",
    "message",
    "msg",
    "msgDataList",
    "msgTips",
    "multiMessage",
    "nickName",
    "nickname",
    "notification",
    "offlinePushInfo",
    "options",
    "payload",
    "quoteElem",
    "quoteMessage",
    "remark",
    "reqMsg",
    "senderFaceURL",
    "senderNickname",
    "text",
    "textElem",
    "title",
    "url",
    "userNickname",
    "value",
];
/// A step of digits alone is the place in a list; a longer one is somebody's number.
const DIGITS_MAX: usize = 4;

/// A place as it is kept: `content/textElem/content` stays as it is, and of a step that no server
/// gives there is a hash (`content/#5b0d2a7c/text`), so that two places stay two.
pub(super) fn place_of(place: &str) -> String {
    let mut kept = String::with_capacity(place.len());
    for (index, step) in place.split('/').enumerate() {
        if index > 0 {
            kept.push('/');
        }
        let is_number = step.len() <= DIGITS_MAX && step.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || KNOWN.contains(&step) {
            kept.push_str(step);
        } else {
            // Writing into memory cannot fail.
            let _ = write!(kept, "#{:08x}", hash_of(step) >> 32);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_word_of_its_writer() {
        for known in [
            "",
            "content",
            "content/textElem/content",
            "offlinePushInfo/title",
            "content/atUsersInfo/0/groupNickname",
        ] {
            assert_eq!(place_of(known), known);
        }
        for (own, start, end) in [
            ("content/damn", "content/#", ""),
            ("content/13800138000/text", "content/#", "/text"),
            ("content/赌~1博", "content/#", ""),
        ] {
            let kept = place_of(own);
            assert!(kept.starts_with(start) && kept.ends_with(end), "{kept}");
            assert!(
                !kept.contains("damn") && !kept.contains("1380") && kept.is_ascii(),
                "{kept}"
            );
            assert_eq!(kept, place_of(own));
        }
        assert_ne!(place_of("content/a"), place_of("content/b"));
    }
}

//! One line of `user.onlinestatus`.
//!
//! Shape: `uid-deviceFlag-online-connId-deviceCount-totalCount`; old documents also show
//! `uid-deviceFlag-online`. A uid may hold `-` itself, so lines are read from the right.
//! Source: WuKongIM v1.0.0 `internal/server/webhook.go`, v3 `internal/usecase/presence/app.go`.

use crate::event::Presence;

/// `None` for a line of neither form.
pub(crate) fn parse(line: &str) -> Option<Presence> {
    full(line).or_else(|| short(line))
}

fn full(line: &str) -> Option<Presence> {
    let mut fields = line.rsplitn(6, '-');
    let total_count = number(fields.next()?)?;
    let device_count = number(fields.next()?)?;
    let connection_id = number(fields.next()?)?;
    let online = number(fields.next()?)?;
    let device_flag = number(fields.next()?)?;
    Some(Presence {
        user_id: fields.next()?.to_owned(),
        device_flag,
        online: online == 1,
        connection_id: Some(connection_id),
        device_count: Some(device_count),
        total_count: Some(total_count),
    })
}

fn short(line: &str) -> Option<Presence> {
    let mut fields = line.rsplitn(3, '-');
    let online = number(fields.next()?)?;
    let device_flag = number(fields.next()?)?;
    Some(Presence {
        user_id: fields.next()?.to_owned(),
        device_flag,
        online: online == 1,
        connection_id: None,
        device_count: None,
        total_count: None,
    })
}

/// Digits alone: connection ids of v3 do not fit a float, and `+1` is no number here.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, u64, bool, Option<u64>)>) {
        let presence = parse(line);
        let read = presence
            .as_ref()
            .map(|p| (p.user_id.as_str(), p.device_flag, p.online, p.connection_id));
        assert_eq!(read, expected, "{line}");
    }

    #[test]
    fn lines_are_read_from_the_right() {
        check("uid1-1-1-1001-2-4", Some(("uid1", 1, true, Some(1001))));
        check("a-b-0-0-7-1-1", Some(("a-b", 0, false, Some(7))));
        check(
            "-1-2-1-9007199254740993-1-1",
            Some(("-1", 2, true, Some(9_007_199_254_740_993))),
        );
        check("5-1-1-1-1-1", Some(("5", 1, true, Some(1))));
        check("uid1-0-1", Some(("uid1", 0, true, None)));
        check("a-b-1-0", Some(("a-b", 1, false, None)));
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "uid1",
            "uid1-1",
            "uid1-x-1",
            "uid1-1-",
            "--",
            "u-1-99999999999999999999",
        ] {
            check(line, None);
        }
    }
}

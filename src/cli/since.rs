//! Times on the command line: so long ago, or as RFC 3339 has them.

use std::time::SystemTime;

/// Reads `2h`, `30d` or `2026-11-28T21:00:00Z`, and gives it back as RFC 3339.
pub(super) fn read(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is no time: write 2h, 30d or 2026-11-28T21:00:00Z");
    let at = match humantime::parse_rfc3339_weak(text) {
        Ok(at) => at,
        Err(_) => {
            let ago = humantime::parse_duration(text).map_err(|_| wrong())?;
            SystemTime::now().checked_sub(ago).ok_or_else(wrong)?
        }
    };
    Ok(humantime::format_rfc3339_millis(at).to_string())
}

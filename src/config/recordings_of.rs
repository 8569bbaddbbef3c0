//! The settings of recorded calls.

use std::path::Path;
use std::time::Duration;

use crate::recordings::Settings;
use crate::settings::Field;

const COUNT_MAX: u32 = 1_000_000_000;
/// Keys are of whole days.
const KEEP_MIN: Duration = Duration::from_secs(3600);
const BYTES_MIN: u64 = 1 << 20;

pub(super) fn read(field: &Field<'_>, data: &Path) -> Settings {
    let section = field.section();
    let (keep, bytes_max) = (section.field("keep"), section.field("bytes_max"));
    let queue_bytes = section.field("queue_bytes_max").bytes();
    let settings = Settings {
        enabled: section.field("enabled").flag(),
        folder: data.join("recordings"),
        share: section.field("share").share(),
        bytes_max: bytes_max.bytes(),
        keep: keep.duration(),
        queue_calls_max: section.field("queue_calls_max").size(COUNT_MAX),
        queue_bytes_max: usize::try_from(queue_bytes).unwrap_or(usize::MAX),
    };
    if settings.keep < KEEP_MIN {
        keep.error(
            "what was recorded would be forgotten at once",
            "use 1h or more",
        );
    }
    if settings.bytes_max < BYTES_MIN {
        bytes_max.error("no room for recorded calls", "use 1MiB or more");
    }
    section.finish();
    settings
}

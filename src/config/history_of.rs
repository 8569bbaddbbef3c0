//! The settings of the history.

use std::path::Path;
use std::time::Duration;

use crate::history::{IdForm, NdjsonSettings, OtlpSettings, Settings, SinkSettings, TextLevel};
use crate::settings::Field;

const COUNT_MAX: u32 = 1_000_000_000;
/// Less is no history of anything.
const KEEP_MIN: Duration = Duration::from_secs(3600);
const BYTES_MIN: u64 = 1 << 20;

pub(super) fn read(field: &Field<'_>, data: &Path) -> Settings {
    let section = field.section();
    let (keep, bytes_max) = (section.field("keep"), section.field("bytes_max"));
    let bytes = |key| usize::try_from(section.field(key).bytes()).unwrap_or(usize::MAX);
    let settings = Settings {
        enabled: section.field("enabled").flag(),
        folder: data.join("history"),
        keep: keep.duration(),
        bytes_max: bytes_max.bytes(),
        ids: section.field("ids").choice().unwrap_or(IdForm::Plain),
        texts: section.field("texts").choice().unwrap_or(TextLevel::None),
        texts_max: section.field("texts_max").size(COUNT_MAX),
        texts_bytes_max: bytes("texts_bytes_max"),
        texts_keep: section.field("texts_keep").duration_above_zero(),
        sealed_keep: section.field("sealed_keep").duration_above_zero(),
        decisions_per_second_max: section.field("decisions_per_second_max").count(COUNT_MAX),
        allows_per_second_max: section.field("allows_per_second_max").count(COUNT_MAX),
        queue_rows_max: section.field("queue_rows_max").size(COUNT_MAX),
        queue_bytes_max: bytes("queue_bytes_max"),
        sinks: read_sinks(&section.field("sinks")),
    };
    if settings.keep < KEEP_MIN {
        keep.error(
            "what was decided would be forgotten at once",
            "use 1h or more",
        );
    }
    if settings.bytes_max < BYTES_MIN {
        bytes_max.error("no room for what is decided in an hour", "use 1MiB or more");
    }
    section.finish();
    settings
}

fn read_sinks(field: &Field<'_>) -> SinkSettings {
    let section = field.section();
    let sinks = SinkSettings {
        ndjson: read_ndjson(&section.field("ndjson")),
        otlp: read_otlp(&section.field("otlp")),
        queue_rows_max: section.field("queue_rows_max").size(COUNT_MAX),
    };
    section.finish();
    sinks
}

fn read_ndjson(field: &Field<'_>) -> Option<NdjsonSettings> {
    let section = field.section();
    let path = section.field("path").text();
    let settings = NdjsonSettings {
        bytes_max: section.field("bytes_max").bytes(),
        files_max: section.field("files_max").count(COUNT_MAX),
        path: path.clone().into(),
    };
    section.finish();
    (!path.is_empty()).then_some(settings)
}

fn read_otlp(field: &Field<'_>) -> Option<OtlpSettings> {
    let section = field.section();
    let endpoint = section.field("endpoint");
    let settings = OtlpSettings {
        endpoint: endpoint.text(),
        timeout: section.field("timeout").duration_above_zero(),
        traces: section.field("traces").flag(),
    };
    let is_known = settings.endpoint.starts_with("http://");
    if !settings.endpoint.is_empty() && !is_known {
        endpoint.error(
            format!("`{}` is no address of a collector", settings.endpoint),
            "write it like http://127.0.0.1:4317, where a collector on this machine passes it on",
        );
    }
    section.finish();
    is_known.then_some(settings)
}

//! Decisions as log records of OTLP, and as spans where that is wanted.

use std::io;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};

use super::row::Row;
use super::segment::{NewRow, Traced};
use super::settings::OtlpSettings;
use super::span::SpanId;
use super::takes::Takes;

/// Rows in one call.
const ROWS_AT_ONCE: usize = 512;
/// INFO and WARN of OTLP.
const INFO: i32 = 9;
const WARN: i32 = 13;
/// SPAN_KIND_INTERNAL and SPAN_KIND_SERVER of OTLP.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const NS_IN_US: u64 = 1000;

/// A collector that speaks OTLP over gRPC.
#[derive(Debug)]
pub(super) struct Collector {
    settings: OtlpSettings,
    runtime: Runtime,
    channel: Channel,
}

impl Collector {
    /// Errors: there is no runtime, or the address cannot be meant.
    pub(super) fn new(settings: OtlpSettings) -> io::Result<Collector> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let endpoint = Endpoint::from_shared(settings.endpoint.clone());
        let endpoint = endpoint.map_err(io::Error::other)?;
        let endpoint = endpoint
            .connect_timeout(settings.timeout)
            .timeout(settings.timeout);
        let channel = {
            let _entered = runtime.enter();
            endpoint.connect_lazy()
        };
        Ok(Collector {
            settings,
            runtime,
            channel,
        })
    }

    async fn export(&self, rows: &[NewRow]) -> Result<(), tonic::Status> {
        let traced: Vec<(&NewRow, Trace)> = rows
            .iter()
            .map(|new| (new, Trace::of(&new.traced)))
            .collect();
        let mut logs = LogsServiceClient::new(self.channel.clone());
        logs.export(logs_of(&traced)).await?;
        if self.settings.traces {
            let mut traces = TraceServiceClient::new(self.channel.clone());
            traces.export(spans_of(&traced)).await?;
        }
        Ok(())
    }
}

impl Takes for Collector {
    fn take(&mut self, rows: &[NewRow]) -> Result<(), String> {
        for rows in rows.chunks(ROWS_AT_ONCE) {
            let patience = self.settings.timeout + Duration::from_secs(1);
            let exported = async { tokio::time::timeout(patience, self.export(rows)).await };
            match self.runtime.block_on(exported) {
                Ok(Ok(())) => {}
                Ok(Err(status)) => return Err(status.to_string()),
                Err(_) => return Err("the collector does not answer".to_owned()),
            }
        }
        Ok(())
    }
}

/// What a decision belongs to.
struct Trace {
    trace: Vec<u8>,
    /// Of the caller; empty where it said none.
    parent: Vec<u8>,
    /// Of the decision.
    span: Vec<u8>,
}

impl Trace {
    fn of(traced: &Traced) -> Trace {
        let traceparent = traced.traceparent.as_deref();
        let parts: Vec<&str> = traceparent.unwrap_or_default().split('-').collect();
        let (trace, parent) = match parts[..] {
            [_, trace, parent, _] => (bytes_of(trace), bytes_of(parent)),
            _ => (fastrand::u128(1..).to_be_bytes().to_vec(), Vec::new()),
        };
        Trace {
            trace,
            parent,
            span: traced.span.unwrap_or_else(SpanId::fresh).bytes(),
        }
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    let bytes = pairs.map(|pair| {
        let text = std::str::from_utf8(pair).unwrap_or_default();
        u8::from_str_radix(text, 16).unwrap_or_default()
    });
    bytes.collect()
}

fn logs_of(rows: &[(&NewRow, Trace)]) -> ExportLogsServiceRequest {
    let rows = rows.iter().map(|(new, trace)| (&new.row, trace));
    let records = rows.map(|(row, trace)| LogRecord {
        time_unix_nano: row.at_us * NS_IN_US,
        observed_time_unix_nano: row.at_us * NS_IN_US,
        severity_number: if row.reviewed { INFO } else { WARN },
        severity_text: if row.reviewed { "INFO" } else { "WARN" }.to_owned(),
        body: Some(AnyValue {
            value: Some(Value::StringValue(format!("{} {}", row.hook, row.outcome))),
        }),
        attributes: attributes(row),
        trace_id: trace.trace.clone(),
        span_id: trace.span.clone(),
        event_name: "callgate.decision".to_owned(),
        ..LogRecord::default()
    });
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: Some(resource()),
            scope_logs: vec![ScopeLogs {
                scope: Some(scope()),
                log_records: records.collect(),
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

fn spans_of(rows: &[(&NewRow, Trace)]) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource()),
            scope_spans: vec![ScopeSpans {
                scope: Some(scope()),
                spans: rows
                    .iter()
                    .flat_map(|(new, trace)| spans(new, trace))
                    .collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// The decision, and below it the stages that took time.
fn spans(new: &NewRow, trace: &Trace) -> Vec<Span> {
    let row = &new.row;
    let start_us = row.at_us.saturating_sub(row.total_us);
    let span = |name: &str, kind, span_id: Vec<u8>, parent: &[u8], from_us: u64, us: u64| Span {
        trace_id: trace.trace.clone(),
        span_id,
        parent_span_id: parent.to_vec(),
        name: name.to_owned(),
        kind,
        start_time_unix_nano: from_us * NS_IN_US,
        end_time_unix_nano: (from_us + us) * NS_IN_US,
        ..Span::default()
    };
    let mut decision = span(
        &row.hook,
        SERVER,
        trace.span.clone(),
        &trace.parent,
        start_us,
        row.total_us,
    );
    decision.attributes = attributes(row);
    let mut spans = vec![decision];
    for stage in &new.traced.stages {
        let (id, parent) = (SpanId::fresh().bytes(), &trace.span);
        spans.push(span(
            stage.name,
            INTERNAL,
            id,
            parent,
            stage.from_us,
            stage.us,
        ));
    }
    spans
}

fn attributes(row: &Row) -> Vec<KeyValue> {
    let version = format!("{}-{}", row.version.number, row.version.hash);
    let lists: Vec<String> = row
        .matches
        .iter()
        .map(|found| format!("{}:{}", found.list, found.line))
        .collect();
    let lists = lists.join(" ");
    let id = row.id.to_string();
    let texts = [
        ("callgate.decision.id", id.as_str()),
        ("callgate.hook", &row.hook),
        ("callgate.dialect", &row.dialect),
        ("callgate.caller", row.caller.as_deref().unwrap_or_default()),
        ("callgate.message.id", &row.message_id),
        ("callgate.operation.id", &row.operation_id),
        ("callgate.sender", &row.sender),
        ("callgate.target", &row.target),
        ("callgate.outcome", &row.outcome),
        ("callgate.action", &row.action),
        ("callgate.decided_by", &row.decided_by),
        ("callgate.class", row.class.as_deref().unwrap_or_default()),
        ("callgate.matches", &lists),
        (
            "callgate.endpoint",
            row.endpoint.as_deref().unwrap_or_default(),
        ),
        ("callgate.answer", row.answer.as_deref().unwrap_or_default()),
        ("callgate.policy.version", &version),
    ];
    let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
    let mut attributes: Vec<KeyValue> = texts
        .map(|(key, text)| pair(key, Value::StringValue(text.to_owned())))
        .collect();
    attributes.push(pair("callgate.reviewed", Value::BoolValue(row.reviewed)));
    attributes.push(pair("callgate.weight", Value::IntValue(row.weight.into())));
    attributes
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn resource() -> Resource {
    Resource {
        attributes: vec![pair(
            "service.name",
            Value::StringValue("callgate".to_owned()),
        )],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "callgate.history".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

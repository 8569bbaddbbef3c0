//! Decisions go to a file of lines and to a collector, and a trace goes through to the endpoint.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use callgate::proto::v1::hook_service_client::HookServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::{Request, Response, Status};

use crate::harness::calls::{self, SINGLE};
use crate::harness::{Behaviour, Business, Callgate, PATIENCE, Setup, http, wait_for};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// What a collector was sent.
#[derive(Clone, Default)]
struct Received {
    logs: Arc<Mutex<Vec<LogRecord>>>,
    spans: Arc<Mutex<Vec<Span>>>,
}

#[tonic::async_trait]
impl LogsService for Received {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        let resources = request.into_inner().resource_logs.into_iter();
        let scopes = resources.flat_map(|of| of.scope_logs);
        let records = scopes.flat_map(|of| of.log_records);
        self.logs.lock().unwrap().extend(records);
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans.into_iter();
        let scopes = resources.flat_map(|of| of.scope_spans);
        self.spans
            .lock()
            .unwrap()
            .extend(scopes.flat_map(|of| of.spans));
        Ok(Response::new(Default::default()))
    }
}

/// A collector that runs until the test ends.
fn collector() -> (SocketAddr, Received) {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let received = Received::default();
    let (logs, spans) = (received.clone(), received.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let serving = tonic::transport::Server::builder()
            .add_service(LogsServiceServer::new(logs))
            .add_service(TraceServiceServer::new(spans))
            .serve(address);
        runtime.block_on(serving).unwrap();
    });
    (address, received)
}

fn policy(url: &str) -> String {
    format!(
        "endpoints: {{business: {{url: \"{url}\"}}}}\n\
         lists: {{bad: {{words: [damn], action: block}}}}\n\
         hooks: {{{SINGLE}: {{endpoint: business}}}}\n"
    )
}

fn traced(callgate: &Callgate, text: &str, traceparent: &str) {
    let body = calls::body(SINGLE, text);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\ntraceparent: {traceparent}\r\n\r\n{body}",
        calls::path(SINGLE),
        body.len()
    );
    assert_eq!(http::send(callgate.http, head.as_bytes()).status, 200);
}

fn attribute<'a>(record: &'a LogRecord, key: &str) -> Option<&'a Value> {
    let found = record.attributes.iter().find(|pair| pair.key == key)?;
    found.value.as_ref()?.value.as_ref()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_trace_goes_through_to_the_endpoint_and_a_decision_is_a_span_of_it() {
    let business = Business::start(Behaviour::allow());
    let (address, received) = collector();
    let callgate = Setup::new(&policy(&business.url()))
        .engine("history.sinks.otlp.endpoint", &format!("http://{address}"))
        .engine("history.sinks.otlp.traces", "true")
        .start();
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    traced(&callgate, "s3cr3t hello", &traceparent);
    let asked = business.wait_for(1);
    let told = asked[0].header("traceparent").to_owned();
    // What is none is not passed on.
    traced(&callgate, "hello", "00-zz-1-01");
    assert_eq!(business.wait_for(2)[1].header("traceparent"), "");
    callgate.call(SINGLE, "damn");
    let logs = wait_for("log records", PATIENCE, || {
        let logs = received.logs.lock().unwrap().clone();
        (logs.len() >= 3).then_some(logs)
    });
    let text = |text: &str| Value::StringValue(text.to_owned());
    let first = logs.iter().find(|log| hex(&log.trace_id) == TRACE).unwrap();
    assert_eq!(attribute(first, "callgate.outcome"), Some(&text("allow")));
    assert_eq!(
        attribute(first, "callgate.endpoint"),
        Some(&text("business"))
    );
    assert_eq!(
        attribute(first, "callgate.message.id"),
        Some(&text("server-1"))
    );
    let blocked = logs
        .iter()
        .find(|log| attribute(log, "callgate.outcome") == Some(&text("block")));
    assert_eq!(
        attribute(blocked.unwrap(), "callgate.matches"),
        Some(&text("bad:0"))
    );
    assert!(!format!("{logs:?}").contains("s3cr3t"));
    let spans = wait_for("spans", PATIENCE, || {
        let spans = received.spans.lock().unwrap().clone();
        let ours: Vec<Span> = spans
            .into_iter()
            .filter(|span| hex(&span.trace_id) == TRACE)
            .collect();
        (!ours.is_empty()).then_some(ours)
    });
    let decision = spans.iter().find(|span| span.name == SINGLE).unwrap();
    assert_eq!(hex(&decision.parent_span_id), PARENT);
    // What the endpoint does is below the decision.
    assert_eq!(told, format!("00-{TRACE}-{}-01", hex(&decision.span_id)));
    let endpoint = spans.iter().find(|span| span.name == "endpoint").unwrap();
    assert_eq!(endpoint.parent_span_id, decision.span_id);
    assert!(endpoint.end_time_unix_nano > endpoint.start_time_unix_nano);
    let filter = spans.iter().find(|span| span.name == "filter").unwrap();
    assert_eq!(filter.parent_span_id, decision.span_id);
    // Microseconds are cut off, of each time by itself.
    let slack = 2_000;
    for (earlier, later) in [
        (decision.start_time_unix_nano, filter.start_time_unix_nano),
        (filter.end_time_unix_nano, endpoint.start_time_unix_nano),
        (endpoint.end_time_unix_nano, decision.end_time_unix_nano),
    ] {
        assert!(earlier <= later + slack, "{spans:?}");
    }
}

#[test]
fn over_grpc_a_trace_goes_through_too() {
    let business = Business::start(Behaviour::allow());
    let callgate = Callgate::start(&policy(&business.url()));
    let traceparent = format!("00-{TRACE}-{PARENT}-00");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut request = Request::new(calls::request(SINGLE, "hello"));
    let value = traceparent.parse().unwrap();
    request.metadata_mut().insert("traceparent", value);
    let server = tonic::transport::Endpoint::from_shared(format!("http://{}", callgate.grpc));
    runtime.block_on(async {
        let channel = server.unwrap().connect().await.unwrap();
        let mut hooks = HookServiceClient::new(channel);
        hooks.before(request).await.unwrap();
    });
    assert_eq!(business.wait_for(1)[0].header("traceparent"), traceparent);
}

#[test]
fn a_file_of_lines_gets_successors_and_holds_no_text() {
    let setup = Setup::new(&policy("http://127.0.0.1:9/"));
    let path = setup.policies().join("../decisions.ndjson");
    let callgate = setup
        .engine("history.sinks.ndjson.path", path.to_str().unwrap())
        .engine("history.sinks.ndjson.bytes_max", "1")
        .engine("history.sinks.ndjson.files_max", "2")
        .start();
    let second = path.with_extension("ndjson.1");
    // Each piece is a file of its own here.
    wait_for("a successor", PATIENCE, || {
        callgate.call(SINGLE, "s3cr3t damn");
        second.exists().then_some(())
    });
    let lines = std::fs::read_to_string(&second).unwrap();
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(line["outcome"], "block");
    assert_eq!(line["matches"][0]["list"], "bad");
    assert!(!lines.contains("s3cr3t") && !lines.contains("damn"));
    assert!(!path.with_extension("ndjson.2").exists());
}

#[test]
fn sinks_that_take_nothing_cost_their_own_lines_alone() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let callgate = Setup::new(&policy("http://127.0.0.1:9/"))
        .engine("history.sinks.ndjson.path", "/no/such/folder/x.ndjson")
        .engine("history.sinks.otlp.endpoint", &format!("http://{address}"))
        .start();
    assert_eq!(callgate.call(SINGLE, "damn").status, 200);
    for sink in ["ndjson", "otlp"] {
        wait_for("a loss that is counted", PATIENCE, || {
            let name = format!("callgate_history_sink_dropped_total{{sink=\"{sink}\"}}");
            (callgate.metric(&name) == 1.0).then_some(())
        });
    }
    wait_for("the row in the files", PATIENCE, || {
        (callgate.metric("callgate_history_rows_total") == 1.0).then_some(())
    });
}

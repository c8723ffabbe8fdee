//! Calls against the routes, with a sink in memory, and one over a real connection.

use base64::Engine as _;
use http::Request as HttpRequest;
use tower::ServiceExt;

use super::*;
use crate::compression::tests::{gzip, zstd};
use crate::config::Config;
use crate::sink::Sink;
use crate::testing::{MemorySink, failing, span, trace_request};

const PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const LIMIT: usize = 10_000;

/// Names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// What a call ends with.
struct Ended {
    http: u16,
    code: i32,
    message: String,
    status: Option<Status>,
    headers: HeaderMap,
    /// The message of the answer, if there is one.
    answer: Option<ExportResponse>,
}

fn frame(flag: u8, payload: &[u8]) -> Vec<u8> {
    [&[flag], &(payload.len() as u32).to_be_bytes()[..], payload].concat()
}

fn payload() -> Vec<u8> {
    trace_request(vec![span("one"), span("two")]).encode_to_vec()
}

async fn call(sink: Arc<dyn Sink>, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Ended {
    let receiver = Receiver::new(Config { request_bytes_max: LIMIT, ..Config::default() }, sink);
    let mut request = HttpRequest::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = grpc_routes(receiver).oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let text = |name: &str| {
        let value = trailers.get(name).or(parts.headers.get(name));
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    let details = text("grpc-status-details-bin").map(|details| {
        let engine = base64::engine::general_purpose::STANDARD_NO_PAD;
        Status::decode(&engine.decode(details.trim_end_matches('=')).unwrap()[..]).unwrap()
    });
    let data = collected.to_bytes();
    Ended {
        http: parts.status.as_u16(),
        code: text("grpc-status").map_or(-1, |code| code.parse().unwrap()),
        message: text("grpc-message").unwrap_or_default(),
        status: details,
        headers: parts.headers.clone(),
        answer: (data.len() >= PREFIX_BYTES).then(|| ExportResponse::decode(&data[PREFIX_BYTES..]).unwrap()),
    }
}

const GRPC_TYPE: (&str, &str) = ("content-type", "application/grpc");

#[tokio::test]
async fn what_is_right_is_stored_and_answered() {
    let half = payload().len() / 2;
    let members = [gzip(&payload()[..half]), gzip(&payload()[half..])].concat();
    let cases: [(Headers<'_>, Vec<u8>); 6] = [
        (&[GRPC_TYPE], frame(0, &payload())),
        (&[("content-type", "application/grpc+proto")], frame(0, &payload())),
        (&[GRPC_TYPE, ("grpc-encoding", "gzip")], frame(1, &gzip(&payload()))),
        (&[GRPC_TYPE, ("grpc-encoding", "gzip")], frame(1, &members)),
        (&[GRPC_TYPE, ("grpc-encoding", "zstd")], frame(1, &zstd(&payload()))),
        // A message may go uncompressed all the same.
        (&[GRPC_TYPE, ("grpc-encoding", "gzip")], frame(0, &payload())),
    ];
    for (headers, body) in cases {
        let sink = Arc::new(MemorySink::default());
        let ended = call(Arc::clone(&sink) as _, PATH, headers, body).await;
        assert_eq!((ended.http, ended.code, sink.rows()), (200, 0, 2), "{headers:?}: {}", ended.message);
        assert_eq!(ended.headers["content-type"], "application/grpc");
        assert_eq!(ended.answer, Some(ExportResponse::default()), "{headers:?}");
    }
}

#[tokio::test]
async fn refusals_have_a_code_and_details() {
    let gzip_header = ("grpc-encoding", "gzip");
    let bomb = gzip(&vec![0; LIMIT + 1]);
    let mut two = frame(0, &payload());
    two.extend(frame(0, &payload()));
    let mut cut = frame(0, &payload());
    cut.pop();
    // The name, the headers, the body, the code, how many details.
    type Case<'a> = (&'a str, Headers<'a>, Vec<u8>, i32, usize);
    let cases: [Case<'_>; 10] = [
        ("nothing", &[GRPC_TYPE], Vec::new(), 3, 1),
        ("cut", &[GRPC_TYPE], cut, 3, 1),
        ("two messages", &[GRPC_TYPE], two, 3, 1),
        ("odd flag", &[GRPC_TYPE], frame(2, &payload()), 3, 1),
        ("compressed by nothing", &[GRPC_TYPE], frame(1, &payload()), 3, 1),
        ("no gzip", &[GRPC_TYPE, gzip_header], frame(1, &payload()), 3, 1),
        ("garbage", &[GRPC_TYPE], frame(0, b"garbage"), 3, 1),
        ("unknown compression", &[GRPC_TYPE, ("grpc-encoding", "br")], frame(1, &payload()), 12, 0),
        ("large", &[GRPC_TYPE], frame(0, &vec![0; LIMIT + 1]), 8, 0),
        ("large inside", &[GRPC_TYPE, gzip_header], frame(1, &bomb), 8, 0),
    ];
    for (name, headers, body, code, details) in cases {
        let sink = Arc::new(MemorySink::default());
        let ended = call(Arc::clone(&sink) as _, PATH, headers, body).await;
        assert_eq!((ended.http, ended.code, sink.rows()), (200, code, 0), "{name}: {}", ended.message);
        let status = ended.status.unwrap();
        assert_eq!((status.code, status.details.len()), (code, details), "{name}");
        let accepted = ended.headers.get("grpc-accept-encoding");
        assert_eq!(accepted.is_some(), code == 12, "{name}");
    }
}

#[tokio::test]
async fn overload_is_unavailable_with_a_delay() {
    let (full, broken) = failing();
    for (sink, delay) in [(full, (1, 500_000_000)), (broken, (7, 0))] {
        let ended = call(sink, PATH, &[GRPC_TYPE], frame(0, &payload())).await;
        assert_eq!(ended.code, 14);
        let details = ended.status.unwrap().details;
        assert_eq!(details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
        let info = crate::status::RetryInfo::decode(&details[0].value[..]).unwrap().retry_delay.unwrap();
        assert_eq!((info.seconds, info.nanos), delay);
    }
}

#[tokio::test]
async fn what_is_not_there_is_unimplemented_and_what_is_not_grpc_is_415() {
    let sink = || Arc::new(MemorySink::default());
    let ended = call(sink(), "/opentelemetry.proto.Nothing/Export", &[GRPC_TYPE], frame(0, b"")).await;
    assert_eq!((ended.http, ended.code), (200, 12));
    for content_type in ["application/json", "application/grpc+json", "application/grpc-web"] {
        let ended = call(sink(), PATH, &[("content-type", content_type)], frame(0, &payload())).await;
        assert_eq!((ended.http, ended.code), (415, -1), "{content_type}");
    }
}

#[tokio::test]
async fn room_is_asked_for_by_the_frames_length() {
    let sink = Arc::new(MemorySink::default());
    call(Arc::clone(&sink) as _, PATH, &[GRPC_TYPE], frame(0, &payload())).await;
    assert_eq!(*sink.admitted.lock().unwrap(), [payload().len(), 2 * payload().len()]);
}

#[tokio::test]
async fn many_calls_at_once_on_one_connection() {
    use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
    use tonic::codec::CompressionEncoding;

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sink = Arc::new(MemorySink::default());
    let receiver = Receiver::new(Config::default(), Arc::clone(&sink) as _);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let listener = Listener::new(listener, Arc::new(tokio::sync::Semaphore::new(1)), None);
    let server = tokio::spawn(serve_grpc(listener, receiver, async move { drop(stopped.await) }));

    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let plain = TraceServiceClient::new(endpoint.connect().await.unwrap());
    let calls = (0..100).map(|call| {
        let mut client = plain.clone();
        client = match call % 3 {
            0 => client.send_compressed(CompressionEncoding::Gzip),
            1 => client.send_compressed(CompressionEncoding::Zstd),
            _ => client,
        };
        async move { client.export(trace_request(vec![span("s"); 10])).await }
    });
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().into_inner().partial_success, None);
    }
    assert_eq!(sink.rows(), 1000);

    // An error over the wire, as a client sees it.
    let error = plain.clone().export(trace_request(vec![span(&"x".repeat(65 << 20))])).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::ResourceExhausted, "{error:?}");

    drop(plain);
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

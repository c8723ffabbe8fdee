//! Requests between nodes over HTTP/1.1: routes of a node, a client with kept connections, and `traceparent`.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{Live, sdk};
use crate::node::Node;
use crate::shop::Operation;
use crate::walk;
use crate::world::{Context, Input, Lost, Request, World};

/// The client of all nodes.
pub(super) type Client = legacy::Client<HttpConnector, Empty<Bytes>>;

pub(super) fn client() -> Client {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

/// Lets a node listen on a free port until it ended.
pub(super) async fn listen(
    world: &Arc<Live>,
    node: &Arc<Node<sdk::Sdk>>,
    ended: &CancellationToken,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let mut router = Router::new();
    for operation in node.service.operations.iter().filter(|operation| operation.route().starts_with('/')) {
        let (world, node) = (Arc::clone(world), Arc::clone(node));
        let answer = move |headers: HeaderMap, Query(input): Query<Input>| {
            answer(Arc::clone(&world), Arc::clone(&node), operation, headers, input)
        };
        let method = if operation.method() == "POST" { MethodFilter::POST } else { MethodFilter::GET };
        router = router.route(operation.route(), on(method, answer));
    }
    let ended = ended.clone();
    tokio::spawn(async move {
        // It ends without an error, or with one of the listener that its callers see.
        drop(axum::serve(listener, router).with_graceful_shutdown(ended.cancelled_owned()).await);
    });
    Ok(address)
}

/// Answers a request. It goes on where the caller gives up, as a service does that does not notice.
async fn answer(
    world: Arc<Live>,
    node: Arc<Node<sdk::Sdk>>,
    operation: &'static Operation,
    headers: HeaderMap,
    input: Input,
) -> StatusCode {
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(&headers));
    let parent = sdk::context(parent.span().span_context());
    let (done, status) = oneshot::channel();
    let served = Arc::clone(&world);
    world.spawn(async move {
        let status = walk::serve(served, node, Request { operation, input, parent }).await;
        let _ = done.send(status);
    });
    let status = status.await.ok().and_then(|status| StatusCode::from_u16(status).ok());
    status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// Sends a request and waits for its status code.
pub(super) async fn send(client: &Client, to: SocketAddr, request: Request) -> Result<u16, Lost> {
    let Request { operation, input, parent } = request;
    let query: String = form_urlencoded::Serializer::new(String::new())
        .append_pair("user", &input.user.to_string())
        .append_pair("product", &input.product.to_string())
        .append_pair("order", &input.order.to_string())
        .append_pair("cents", &input.cents.to_string())
        .finish();
    let uri = format!("http://{to}{}?{query}", input.fill(operation.route(), 0));
    let method = if operation.method() == "POST" { Method::POST } else { Method::GET };
    let built = http::Request::builder().method(method).uri(uri).body(Empty::new());
    // A route that is no address reaches no one.
    let mut built = built.map_err(|_| Lost::Refused)?;
    inject(parent, built.headers_mut());
    let answer = client.request(built).await;
    let answer = answer.map_err(|error| if error.is_connect() { Lost::Refused } else { Lost::Reset })?;
    let status = answer.status().as_u16();
    answer.into_body().collect().await.map_err(|_| Lost::Reset)?;
    Ok(status)
}

fn inject(parent: Option<Context>, headers: &mut HeaderMap) {
    let parent = sdk::parent(parent, false);
    TraceContextPropagator::new().inject_context(&parent, &mut HeaderInjector(headers));
}

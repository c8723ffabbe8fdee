use axum::body::Body;
use axum::routing::get;
use http::Request;
use tower::ServiceExt;

use super::*;

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let router = security_headers(Router::new().route("/", get(|| async { "x" })));
    for address in ["/", "/nowhere"] {
        let response =
            router.clone().oneshot(Request::get(address).body(Body::empty()).unwrap()).await.unwrap();
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe") && policy.ends_with("frame-ancestors 'none'"), "{policy}");
        assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(response.headers()[REFERRER_POLICY], "same-origin");
    }
}

#[tokio::test]
async fn an_answer_may_bring_its_own_policy() {
    let own = [(CONTENT_SECURITY_POLICY, "sandbox")];
    let router = security_headers(Router::new().route("/", get(move || async move { (own, "x") })));
    let response = router.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], "sandbox");
}

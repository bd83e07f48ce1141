//! Behind a reverse proxy that compresses answers unless told otherwise, configured as the
//! operations manual says.

use reqwest::{Certificate, Client, Method, RequestBuilder};
use transom_testkit::proxy::{Kind, Port, Proxy};

use crate::stage::Stage;

/// Asks for a compressed answer. A proxy that compresses rewrites the tag.
fn compressed(request: RequestBuilder) -> RequestBuilder {
    request.header("accept-encoding", "gzip").header("content-type", "application/json")
}

async fn tag(request: RequestBuilder) -> (String, Option<String>) {
    let answer = compressed(request).send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    (header("etag").unwrap(), header("content-encoding"))
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_u15_a_tag_that_came_through_a_proxy_is_good_for_change_reset_and_delete() {
    for kind in Kind::ALL {
        let stage = Stage::start_behind_a_proxy().await;
        let (port, server) = (Port::hold(), stage.server.address());
        let url = port.url();
        let proxy = tokio::task::spawn_blocking(move || Proxy::start(kind, port, server)).await.unwrap();
        let pem = std::fs::read(proxy.ca()).unwrap();
        let http = Client::builder()
            .no_proxy()
            .tls_certs_only([Certificate::from_pem(&pem).unwrap()])
            .build()
            .unwrap();
        let group = "a group whose name makes the answer long enough to be compressed";
        let access = format!(r#""allowedActions":["listen"],"accessControl":{{"groups":["{group}"]}}"#);
        let (address, _) = stage.address(&format!("{{{access}}}")).await;
        let body = format!(r#"{{"cloudAddress":"{address}",{access}}}"#);
        let ask = |method: Method| {
            let request = http.request(method, format!("{url}/cloud/1.1/static-address/{address}"));
            request.basic_auth(&stage.key.id, Some(&stage.key.secret))
        };
        let outcome = async |method: Method, tag: &str| {
            let request = compressed(ask(method)).header("if-match", tag).body(body.clone());
            request.send().await.unwrap().status().as_u16()
        };
        let first = tag(ask(Method::GET)).await;
        assert_eq!(first, ("\"1\"".to_owned(), None), "{kind:?}");
        assert_eq!(outcome(Method::PUT, &first.0).await, 200, "{kind:?}");
        let (second, _) = tag(ask(Method::GET)).await;
        assert_eq!(outcome(Method::POST, &second).await, 200, "{kind:?}");
        assert_eq!(outcome(Method::POST, &first.0).await, 412, "{kind:?}");
        let (third, _) = tag(ask(Method::GET)).await;
        assert_eq!(outcome(Method::DELETE, &third).await, 204, "{kind:?}");
    }
}

//! Client and server over a real socket, with a node that answers from a script.

#![allow(clippy::unwrap_used)]

mod fake;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fake::{Fake, JOB};
use outlast_api::trust::*;
use outlast_api::types::*;
use outlast_api::{ApiError, Client, Control, ControlSocket, ErrorCode, SOCKET_NAME, SocketError};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longer than anything here takes on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

struct Served {
    fake: Arc<Fake>,
    client: Client,
    dir: TempDir,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

async fn served(fake: Fake) -> Served {
    let dir = TempDir::new().unwrap();
    let fake = Arc::new(fake);
    let socket = ControlSocket::bind(&dir.path().join(SOCKET_NAME)).unwrap();
    let (stop, stopped) = oneshot::channel();
    let control: Arc<dyn Control> = fake.clone();
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        outlast_api::serve(socket, control, stopped).await.unwrap();
    });
    Served { client: Client::new(dir.path()), fake, dir, stop: Some(stop), task }
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

/// Sends raw bytes and returns all that comes back.
async fn raw(dir: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(dir.join(SOCKET_NAME)).await.unwrap();
    let mut reply = Vec::new();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request).await;
    let _ = in_time(stream.read_to_end(&mut reply)).await;
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn every_request_arrives_and_its_answer_comes_back() {
    let served = served(Fake::new()).await;
    let (client, fake) = (&served.client, &served.fake);

    assert_eq!(client.status().await.unwrap(), fake.status().await.unwrap());
    assert_eq!(client.nodes().await.unwrap(), fake.nodes().await.unwrap());
    assert_eq!(client.jobs().await.unwrap(), [fake.summary()]);
    assert_eq!(client.job("00", Page { offset: 4, limit: 9 }).await.unwrap(), fake.detail());
    assert_eq!(*fake.pages.lock().unwrap(), [Page { offset: 4, limit: 9 }]);
    assert_eq!(client.wait(JOB, None, DEADLINE).await.unwrap(), fake.summary());
    assert_eq!(client.logs(JOB).await.unwrap(), fake.logs(JOB).await.unwrap());
    assert_eq!(client.cancel(JOB).await.unwrap().state, JobState::Cancelled);
    assert_eq!(client.why(JOB, 4).await.unwrap(), fake.why(JOB, 4).await.unwrap());
    assert_eq!(client.preview(JOB).await.unwrap(), fake.preview(JOB).await.unwrap());
    let part = client.output(JOB, OutputName::Stdout, 4).await.unwrap();
    assert_eq!(part, OutputPart { bytes: b"o\n".to_vec(), total: 6 });

    let spec = JobSpec {
        argv: vec!["povray".to_owned(), "+Ä b".to_owned()],
        cwd: "/somewhere".to_owned(),
        env: [("A".to_owned(), "1".to_owned())].into(),
        params: vec![Param { name: "a".to_owned(), values: "1..100".to_owned() }],
        verification: VerificationSpec {
            quorum: Some(2),
            schedule: Some(Schedule::AllAtOnce),
            ..VerificationSpec::default()
        },
        services: vec![ServiceBlock {
            class: "verification".to_owned(),
            args: [
                ("homogeneous", ServiceValue::Boolean(true)),
                ("quizzes", ServiceValue::Number(0.5)),
                ("samples", ServiceValue::Integer(1)),
                ("scheme", ServiceValue::Text("1".to_owned())),
                ("trusted", ServiceValue::List(vec!["ab".to_owned()])),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            places: [("samples".to_owned(), "--samples".to_owned())].into(),
        }],
        ..JobSpec::default()
    };
    assert_eq!(client.submit(spec.clone()).await.unwrap(), JOB);
    assert_eq!(*fake.submitted.lock().unwrap(), [spec]);

    let request = DownRequest { drain: true, timeout_s: 2.5 };
    client.down(request).await.unwrap();
    assert_eq!(*fake.downs.lock().unwrap(), [request]);
    let refused = client.retry("00").await.unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (ErrorCode::WrongState, "its output is written")
    );
    assert_eq!(client.pardon("ef").await.unwrap().node, "ef".repeat(32));
    assert_eq!(*fake.pardoned.lock().unwrap(), ["ef"]);
    assert_eq!(client.join("a ticket").await.unwrap().state, JoinState::Already);
    assert_eq!(*fake.tickets.lock().unwrap(), ["a ticket"]);
}

#[tokio::test]
async fn trust_is_asked_over_the_socket() {
    let node = served(Fake::new()).await;
    let client = &node.client;
    assert_eq!(client.vos().await.unwrap()[0].name, "lab");
    // A name may have whatever a name may have.
    let name = "Institut für Physik / 2?";
    let request = VoRequest { vo: Some(name.to_owned()) };
    assert_eq!(client.vo(request).await.unwrap().summary.name, name);
    let error = client.vo(VoRequest::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Conflict);
    let request = CreateVoRequest { name: name.to_owned() };
    assert_eq!(client.create_vo(request).await.unwrap().name, name);
    let error = client.leave_vo(VoRequest::default()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    let request = InviteRequest {
        rights: vec!["execute".to_owned()],
        reusable: true,
        ..InviteRequest::default()
    };
    let invited = client.invite(request).await.unwrap();
    assert_eq!((invited.rights, invited.reusable), (vec!["execute".to_owned()], true));
    let request = ExpelRequest { node: "12".to_owned(), ..ExpelRequest::default() };
    let error = client.expel(request).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::Forbidden, "this node may not expel 12")
    );
}

#[tokio::test]
async fn an_error_keeps_its_code_and_message() {
    for code in [
        ErrorCode::BadRequest,
        ErrorCode::NotFound,
        ErrorCode::Conflict,
        ErrorCode::WrongState,
        ErrorCode::TooLarge,
        ErrorCode::Unavailable,
        ErrorCode::Timeout,
        ErrorCode::Unsupported,
        ErrorCode::Internal,
    ] {
        let served = served(Fake { failure: Some(code), ..Fake::new() }).await;
        let expected = ApiError::new(code, "as told");
        assert_eq!(served.client.status().await.unwrap_err(), expected);
        assert_eq!(served.client.preview(JOB).await.unwrap_err(), expected);
        let reply =
            raw(served.dir.path(), b"GET /v1/status HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
        assert!(reply.starts_with(&format!("HTTP/1.0 {}", code.status())), "{reply}");
    }
}

#[tokio::test]
async fn what_cant_be_a_job_number_is_no_job() {
    let served = served(Fake::new()).await;
    for job in ["", "x", "../status", "00000000000000ab0", "ff"] {
        let error = served.client.job(job, Page::NONE).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound, "{job:?}");
    }
}

#[tokio::test]
async fn a_long_poll_ends_with_a_change_or_its_timeout() {
    let served = served(Fake::new()).await;
    // The known version: hangs until the timeout.
    let started = Instant::now();
    let summary = served.client.wait(JOB, Some(1), Duration::from_millis(60)).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(60));
    assert_eq!(summary.version, 1);

    // Another version: at once. A change: as soon as it comes.
    assert_eq!(in_time(served.client.wait(JOB, Some(0), DEADLINE * 2)).await.unwrap().version, 1);
    let client = served.client.clone();
    let waiting = tokio::spawn(async move { client.wait(JOB, Some(1), DEADLINE * 2).await });
    in_time(async {
        while served.fake.version.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    served.fake.version.send_replace(2);
    assert_eq!(in_time(waiting).await.unwrap().unwrap().version, 2);
}

#[tokio::test]
async fn a_waiting_client_that_goes_away_is_forgotten() {
    let served = served(Fake::new()).await;
    let client = served.client.clone();
    let waiting = tokio::spawn(async move { client.wait(JOB, Some(1), DEADLINE * 2).await });
    let until = async |count: usize| {
        while served.fake.version.receiver_count() != count {
            tokio::task::yield_now().await;
        }
    };
    in_time(until(1)).await;
    waiting.abort();
    in_time(until(0)).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let served = served(Fake::new()).await;
    let length = outlast_api::limits::REQUEST_BYTES + 1;
    let spec = JobSpec { argv: vec!["x".repeat(length)], ..JobSpec::default() };
    let error = served.client.submit(spec).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::TooLarge);

    let mut request = format!(
        "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
    .into_bytes();
    request.resize(request.len() + length, b' ');
    let reply = raw(served.dir.path(), &request).await;
    // The server may also have cut the connection before its answer was read.
    assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 413"), "{reply}");
    assert!(served.fake.submitted.lock().unwrap().is_empty());
    assert!(served.client.status().await.is_ok(), "the daemon lives on");
}

#[tokio::test]
async fn what_is_malformed_or_unknown_is_refused_by_name() {
    let served = served(Fake::new()).await;
    let post = |body: &str| {
        format!(
            "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let get = |path: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").into_bytes()
    };
    let cases = [
        (post("{"), "400", "bad-request"),
        (post(r#"{"argv": ["true"], "colour": "red"}"#), "400", "colour"),
        (get("/v2/jobs"), "404", "unsupported"),
        (b"DELETE /v1/jobs HTTP/1.0\r\nhost: x\r\n\r\n".to_vec(), "404", "unsupported"),
        (get("/v1/jobs/ab?limit=many"), "400", "bad-request"),
        (get("/v1/jobs/00/output/stdin"), "400", "stdin"),
    ];
    for (request, status, text) in cases {
        let reply = raw(served.dir.path(), &request).await;
        assert!(reply.contains(status) && reply.contains(text), "{status} {text}: {reply}");
    }
    let garbage = raw(served.dir.path(), b"\0\xff garbage \r\n\r\n").await;
    assert!(garbage.is_empty() || garbage.starts_with("HTTP/1.1 400"), "{garbage}");
    assert!(served.client.status().await.is_ok(), "the daemon lives on");
}

#[tokio::test]
async fn without_a_daemon_the_client_says_so() {
    let dir = TempDir::new().unwrap();
    let client = Client::new(dir.path());
    assert_eq!(client.status().await.unwrap_err().code, ErrorCode::Unavailable);
    // A socket that a dead daemon left behind.
    drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET_NAME)).unwrap());
    let error = client.status().await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Unavailable);
    assert!(error.message.contains(SOCKET_NAME), "{error}");
}

#[tokio::test]
async fn a_daemon_that_breaks_off_is_unavailable() {
    let dir = TempDir::new().unwrap();
    let listener = tokio::net::UnixListener::bind(dir.path().join(SOCKET_NAME)).unwrap();
    let client = Client::new(dir.path());
    for reply in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"na", b"\0\0\0\0"] {
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            stream.write_all(reply).await.unwrap();
        };
        let (answer, ()) = tokio::join!(client.status(), server);
        assert_eq!(answer.unwrap_err().code, ErrorCode::Unavailable);
    }
}

#[tokio::test]
async fn the_socket_is_its_owners_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(SOCKET_NAME);
    let _socket = ControlSocket::bind(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn only_a_dead_daemons_socket_is_replaced() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(SOCKET_NAME);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let socket = ControlSocket::bind(&path).unwrap();
    assert!(matches!(ControlSocket::bind(&path), Err(SocketError::InUse(_))));
    drop(socket);
    assert!(!path.exists());

    // One that doesn't know of the lock.
    let foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(matches!(ControlSocket::bind(&path), Err(SocketError::InUse(_))));
    drop(foreign);
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(ControlSocket::bind(&path), Err(SocketError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");

    let long = dir.path().join("x".repeat(100)).join(SOCKET_NAME);
    assert!(matches!(ControlSocket::bind(&long), Err(SocketError::PathTooLong(_))));
}

#[tokio::test]
async fn the_server_ends_although_clients_wait() {
    let mut served = served(Fake::new()).await;
    let client = served.client.clone();
    let waiting = tokio::spawn(async move { client.wait(JOB, Some(1), DEADLINE * 2).await });
    in_time(async {
        while served.fake.version.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(served.stop.take());
    in_time(served.task).await.unwrap();
    assert!(!served.dir.path().join(SOCKET_NAME).exists());
    // Its connection may outlive `serve` until the runtime ends, as the process does.
    waiting.abort();
}

#[tokio::test]
async fn the_description_has_every_route() {
    let served = served(Fake::new()).await;
    let reply =
        raw(served.dir.path(), b"GET /openapi.json HTTP/1.0\r\nhost: localhost\r\n\r\n").await;
    let (_, body) = reply.split_once("\r\n\r\n").unwrap();
    let document: serde_json::Value = serde_json::from_str(body).unwrap();
    let routes: Vec<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
        })
        .collect();
    let expected = [
        "get /healthz",
        "get /metrics",
        "post /v1/down",
        "get /v1/jobs",
        "post /v1/jobs",
        "post /v1/join",
        "get /v1/jobs/{job}",
        "post /v1/jobs/{job}/cancel",
        "get /v1/jobs/{job}/logs",
        "get /v1/jobs/{job}/output/{name}",
        "get /v1/jobs/{job}/why",
        "get /v1/jobs/{job}/preview",
        "post /v1/jobs/{job}/retry",
        "get /v1/jobs/{job}/wait",
        "post /v1/pardon",
        "get /v1/nodes",
        "get /v1/status",
        "get /v1/vos",
        "post /v1/vos",
        "post /v1/vos/show",
        "post /v1/vos/leave",
        "post /v1/invite",
        "post /v1/expel",
    ];
    for route in expected {
        assert!(routes.iter().any(|found| found == route), "{route} isn't in {routes:?}");
    }
    assert_eq!(routes.len(), expected.len(), "{routes:?}");
    // Each route that is described is served: none of them is unknown.
    for route in routes {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{job}", "00").replace("{name}", "stdout");
        let request = format!("{} {path} HTTP/1.0\r\nhost: x\r\n\r\n", method.to_uppercase());
        let reply = raw(served.dir.path(), request.as_bytes()).await;
        assert!(!reply.contains("unsupported"), "{route}: {reply}");
    }
    // Whatever a reply or a request refers to is described.
    let schemas = &document["components"]["schemas"];
    for reference in body.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.get(name).is_some(), "{name}");
    }
}

/// Sends a request to the address for metrics and returns all that comes back.
async fn scraped(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    in_time(stream.read_to_string(&mut reply)).await.unwrap();
    reply
}

#[tokio::test]
async fn the_address_for_metrics_serves_figures_and_health_and_nothing_else() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let fake = Arc::new(Fake::new());
    let control: Arc<dyn Control> = fake.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        outlast_api::serve_metrics(listener, control, stopped).await.unwrap();
    });
    let metrics = scraped(address, "GET /metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    assert!(metrics.contains("application/openmetrics-text; version=1.0.0"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    assert!(scraped(address, "GET /healthz").await.ends_with("ok\n"));
    for request in
        ["GET /v1/status", "GET /v1/jobs", "POST /v1/down", "POST /metrics", "GET /openapi.json"]
    {
        let reply = scraped(address, request).await;
        assert!(reply.starts_with("HTTP/1.1 404"), "{request}: {reply}");
    }
    drop(stop);
    in_time(task).await.unwrap();
}

#[tokio::test]
async fn figures_are_on_the_control_socket_too() {
    let served = served(Fake::new()).await;
    assert_eq!(in_time(served.client.metrics()).await.unwrap(), "# EOF\n");
    let health =
        raw(served.dir.path(), b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
}

//! TLS that fails, for real: a server whose certificate nobody vouches for, one that gives up in the handshake, one that
//! speaks none, and one that never goes on.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::{DIALECTS, ProviderError, request, unavailable};

/// A certificate of this test's own for 127.0.0.1, and its key: nobody else has ever trusted it.
const CERTIFICATE: &str = "MIIBkDCCATagAwIBAgIUYWazfstC4ylK5wrpwzyTj0qXc58wCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyNDE4MTQyMFoYDzIxMjYxMDMxMTgxNDIwWjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR2EWhpalflJCpLqOE0AsXBW3KAHs5Pjb3VQix8SdRRpbwOe3Sv/IszmthiNKIC3SALcra8KHC/TJ9uEqr7LiQ5o2QwYjAdBgNVHQ4EFgQU+cJRLcLtJAcYX4EgXJwAHO0qChswHwYDVR0jBBgwFoAU+cJRLcLtJAcYX4EgXJwAHO0qChswDwYDVR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUCIQDwdas0jmAr7c69fuhtYOKcq1oWlgiziRXTZkXgzwb0igIgJCjEdJA6uhpBCEDhvlJVDcm7XKZ9mOPXJqqHFIqF8as=";
const KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtoP3Dq1jpvZ8IM6+sbxbZc51Iq8GBh5aV6yV17aRCKGhRANCAAR2EWhpalflJCpLqOE0AsXBW3KAHs5Pjb3VQix8SdRRpbwOe3Sv/IszmthiNKIC3SALcra8KHC/TJ9uEqr7LiQ5";

/// A server that does this with the first connection; returns its base URL.
async fn server<F, A>(answer: F) -> (String, JoinHandle<A::Output>)
where
    F: FnOnce(TcpStream) -> A + Send + 'static,
    A: Future<Output: Send + 'static> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://{}/v1", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        answer(socket).await
    });
    (base, task)
}

fn acceptor() -> TlsAcceptor {
    let decode = |text: &str| STANDARD.decode(text).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from(decode(CERTIFICATE))],
            PrivatePkcs8KeyDer::from(decode(KEY)).into(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    for dialect in DIALECTS {
        let (base, server) = server(|socket| async move { acceptor().accept(socket).await.map(drop) }).await;
        assert_eq!(dialect.ask(&base, request("m")).await.end, Err(unavailable("TLS failed")), "{dialect:?}");
        let ended = server.await.unwrap();
        assert!(ended.is_err(), "{dialect:?}: nothing was sent, the key least of all");
    }
}

#[tokio::test]
async fn a_handshake_that_fails_is_told() {
    // A record of TLS 1.2: alert, fatal, handshake_failure.
    let alert = [0x15, 3, 3, 0, 2, 2, 40];
    for dialect in DIALECTS {
        for answer in [&alert[..], b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
            let answer = answer.to_vec();
            let (base, _server) = server(|mut socket| async move {
                let _hello = socket.read(&mut [0; 4096]).await.unwrap();
                socket.write_all(&answer).await.unwrap();
                socket.shutdown().await.unwrap();
                // Until the other side has hung up, too: a reset would hide what was said.
                while socket.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
            })
            .await;
            assert_eq!(dialect.ask(&base, request("m")).await.end, Err(unavailable("TLS failed")), "{dialect:?}");
        }
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_given_up() {
    for dialect in DIALECTS {
        let (base, server) = server(|socket| async move {
            let _open = socket;
            tokio::time::sleep(Duration::from_secs(60)).await;
        })
        .await;
        let end = dialect.ask(&base, request("m")).await.end;
        assert_eq!(end, Err(unavailable("connecting took too long")), "{dialect:?}");
        assert!(end.is_err_and(|error: ProviderError| !error.is_billed()));
        server.abort();
    }
}

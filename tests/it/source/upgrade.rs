//! Requests that learn at the same time which scheme a host answers.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::{client_for, read};
use replay_archiver::model::MediaUrl;

/// What a TLS greeting begins with.
const GREETING: u8 = 0x16;

#[tokio::test]
async fn a_request_whose_https_fails_after_another_learnt_of_it_goes_over_http_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = listener.local_addr().unwrap().to_string();
    let (greeted, first_greeting) = oneshot::channel();
    tokio::spawn(serve(listener, greeted));
    let client = client_for(&[&authority]);
    let url = MediaUrl::parse(&format!("http://{authority}/f0.mp4")).unwrap();

    let (slow, url_of_slow) = (client.clone(), url.clone());
    let slow = tokio::spawn(async move { read(slow.open(&url_of_slow, 100).await?).await });
    let held = first_greeting.await.unwrap();
    let quick = client.open(&url, 100).await.unwrap();
    assert_eq!(read(quick).await.unwrap(), b"film");
    drop(held);
    assert_eq!(slow.await.unwrap().unwrap(), b"film");
}

/// Speaks http only: the first TLS greeting is handed over, the others are hung up on.
async fn serve(listener: TcpListener, greeted: oneshot::Sender<TcpStream>) {
    let mut greeted = Some(greeted);
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut seen = vec![0; 4096];
        let read = stream.read(&mut seen).await.unwrap();
        if read == 0 {
            continue;
        }
        if seen[0] == GREETING {
            if let Some(greeted) = greeted.take() {
                greeted.send(stream).unwrap();
            }
            continue;
        }
        let reply = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfilm";
        let _ = stream.write_all(reply.as_bytes()).await;
    }
}

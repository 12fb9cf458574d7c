//! Requests over connections of their own, to a host that keeps connections open.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// How many requests came over each connection that brought any.
type Counts = Arc<Mutex<Vec<usize>>>;

async fn serve(mut socket: TcpStream, counts: Counts) {
    let (mut head, mut number) = (Vec::new(), None);
    let mut buffer = [0; 4096];
    while let Ok(bytes @ 1..) = socket.read(&mut buffer).await {
        head.extend_from_slice(&buffer[..bytes]);
        // A TLS greeting is not answered.
        if !head.starts_with(b"GET ") {
            return;
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        {
            let mut counts = counts.lock().unwrap();
            let number = *number.get_or_insert(counts.len());
            if number == counts.len() {
                counts.push(0);
            }
            counts[number] += 1;
        }
        let reply = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-3/4\r\n\
                     Content-Length: 4\r\nETag: \"one\"\r\n\r\nfour";
        socket.write_all(reply.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_apart_makes_a_connection_for_each_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Counts::default();
    let seen = Arc::clone(&counts);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, Arc::clone(&seen)));
        }
    });
    let client = client_for(&[&address.to_string()]);
    let url = MediaUrl::parse(&format!("http://{address}/f0.mp4")).unwrap();
    let all = async |client: &MediaClient| read(client.open(&url, 4).await.unwrap()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(all(&client).await, b"four");
    }
    assert_eq!(*counts.lock().unwrap(), [2], "one connection is kept");
    for _ in 0..2 {
        assert_eq!(all(&client.apart()).await, b"four");
    }
    assert_eq!(*counts.lock().unwrap(), [2, 1, 1]);
}

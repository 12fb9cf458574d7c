//! A server made of axum's routes.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Routes that are served on loopback until this is dropped.
pub struct Routes {
    pub addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Routes {
    pub async fn serve(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { addr, task }
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

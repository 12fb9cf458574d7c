//! A host of pictures that are as large as pictures may be.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::net::Routes;

/// The largest picture that is archived, in bytes.
pub const LARGEST: usize = 16 << 20;

/// A running host; it ends when dropped.
pub struct Pictures {
    pub addr: std::net::SocketAddr,
    _routes: Routes,
}

impl Pictures {
    /// Serves the same picture under every path.
    pub async fn start() -> Self {
        let mut picture = vec![0; LARGEST];
        picture[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
        let picture = Bytes::from(picture);
        let answer = move || std::future::ready(jpeg(picture.clone()));
        let router = Router::new().route("/{*path}", get(answer));
        let routes = Routes::serve(router).await;
        Self { addr: routes.addr, _routes: routes }
    }

    /// The lines of a scenario's room that give it four pictures.
    pub fn of_room(&self) -> String {
        let fields = ["cover_img", "anchor_img", "share_img", "feeds_img"];
        let field = |name| format!("{name} = \"http://{}/{name}.jpg\"\n", self.addr);
        format!("[account.room.raw]\n{}", fields.map(field).concat())
    }
}

fn jpeg(picture: Bytes) -> Response {
    ([(CONTENT_TYPE, "image/jpeg")], picture).into_response()
}

//! Mail, over TLS unless the server is on this machine.

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::{self, AsyncSmtpTransport};
use lettre::{AsyncTransport as _, Tokio1Executor};
use secrecy::SecretString;

use super::{ATTEMPT, Error, Parcel};
use crate::clock;
use crate::config::Address;
use crate::model::redact::excerpt;

/// The most bytes of its text.
const MOST: usize = 64_000;

/// Sends a mail.
pub async fn send(
    server: &Address,
    from: &Mailbox,
    to: &[Mailbox],
    parcel: &Parcel,
) -> Result<(), Error> {
    let host = server.to_string();
    let unsent = |problem: String| {
        let (host, is_transient) = (host.clone(), false);
        Error::Mail { host, problem, is_transient }
    };
    let mail = lettre::Message::builder()
        .from(from.clone())
        .subject(&parcel.message.title)
        .message_id(Some(format!("<{}@replay-archiver>", parcel.id)))
        .header(ContentType::TEXT_PLAIN);
    let mail = to.iter().fold(mail, |mail, to| mail.to(to.clone()));
    let mail = mail.body(parcel.message.text(MOST)).map_err(|error| unsent(error.to_string()))?;
    let refused = |error: smtp::Error| Error::Mail {
        host: host.clone(),
        problem: excerpt(&causes(&error), &password(server).iter().collect::<Vec<_>>()),
        is_transient: error.is_transient(),
    };
    // The library's own limit is that of the connection alone.
    let sent = clock::within(ATTEMPT, transport(server).map_err(&refused)?.send(mail)).await;
    match sent {
        Ok(sent) => sent.map(drop).map_err(&refused),
        Err(_) => Err(unsent(format!("it says nothing for {} s", ATTEMPT.as_secs()))),
    }
}

/// A connection of its own: one message a run needs no pool.
fn transport(server: &Address) -> Result<AsyncSmtpTransport<Tokio1Executor>, smtp::Error> {
    let (url, host) = (server.expose(), server.to_string());
    let host = host.trim_matches(['[', ']']).to_owned();
    let is_wrapped = url.scheme() == "smtps";
    let is_local = host == "localhost" || host.parse().is_ok_and(is_loopback);
    let tls = match (is_wrapped, is_local) {
        (true, _) => Tls::Wrapper(TlsParameters::new(host.clone())?),
        (false, false) => Tls::Required(TlsParameters::new(host.clone())?),
        (false, true) => Tls::None,
    };
    let port = url.port().unwrap_or(if is_wrapped { 465 } else { 587 });
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(port)
        .tls(tls)
        .timeout(Some(ATTEMPT));
    Ok(match (url.username(), url.password()) {
        ("", _) => transport.build(),
        (user, password) => {
            let password = decoded(password.unwrap_or_default());
            transport.credentials(Credentials::new(decoded(user), password)).build()
        }
    })
}

fn is_loopback(address: std::net::IpAddr) -> bool {
    address.is_loopback()
}

/// A part of an address without its %-signs.
fn decoded(part: &str) -> String {
    let pair = format!("x={}", part.replace('+', "%2B"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn password(server: &Address) -> Vec<SecretString> {
    let password = server.expose().password();
    password.into_iter().flat_map(|password| [password.into(), decoded(password).into()]).collect()
}

fn causes(error: &smtp::Error) -> String {
    crate::model::Reason::of(error).message
}

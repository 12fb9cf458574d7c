//! Mail, over TLS unless the server is on this machine.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, MailBodyParameter, MailParameter};
use secrecy::SecretString;

use super::{ATTEMPT, Error, Parcel, decoded};
use crate::clock;
use crate::config::Address;
use crate::model::Reason;
use crate::model::redact::excerpt;
use crate::notify::warn_of;

/// The most bytes of its text.
const MOST: usize = 64_000;

/// How long the goodbye may take.
const QUITTING: Duration = Duration::from_secs(1);

/// Sends a mail, to everybody whose address the server takes.
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
    let secrets = password(server);
    let problem =
        |error: &smtp::Error| excerpt(&causes(error), &secrets.iter().collect::<Vec<_>>());
    // The library's own limit is that of each reply alone.
    let handed = clock::within(ATTEMPT, hand_over(server, &mail)).await;
    let silent = |_| unsent(format!("it says nothing for {} s", ATTEMPT.as_secs()));
    let (mut connection, refused) = handed.map_err(silent)?.map_err(|error| Error::Mail {
        host: host.clone(),
        problem: problem(&error),
        is_transient: error.is_transient(),
    })?;
    for (recipient, error) in refused {
        let why = format!(
            "the mail server {host} does not take mail for this recipient; the others have it: {}\n\
             hint: correct or remove the address in `to` of this [[notify]] [RA708]",
            problem(&error)
        );
        warn_of(recipient.as_ref(), &Reason::parse(&why));
    }
    // It has the mail, whatever it says now.
    let _ = clock::within(QUITTING, connection.abort()).await;
    Ok(())
}

/// A recipient that the server refuses, and why.
type Refused = (lettre::Address, smtp::Error);

/// Hands a mail over. Returns the connection, and the recipients that are refused, unless all are.
async fn hand_over(
    server: &Address,
    mail: &lettre::Message,
) -> Result<(AsyncSmtpConnection, Vec<Refused>), smtp::Error> {
    let mut connection = connected(server).await?;
    let (envelope, body) = (mail.envelope(), mail.formatted());
    let addresses = || envelope.to().iter().chain(envelope.from());
    let mut options = Vec::new();
    if addresses().any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        options.push(MailParameter::SmtpUtfEight);
    }
    if !body.is_ascii() {
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    connection.command(Mail::new(envelope.from().cloned(), options)).await?;
    let mut refused: Vec<Refused> = Vec::new();
    for recipient in envelope.to() {
        match connection.command(Rcpt::new(recipient.clone(), Vec::new())).await {
            Err(error) if error.status().is_some() => refused.push((recipient.clone(), error)),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    if refused.len() == envelope.to().len() {
        // If one of them may be accepted later, all are tried again.
        refused.sort_by_key(|(_, error)| !error.is_transient());
        if let Some((_, error)) = refused.into_iter().next() {
            return Err(error);
        }
        return Ok((connection, Vec::new()));
    }
    connection.command(Data).await?;
    connection.message(&body).await?;
    Ok((connection, refused))
}

/// A connection of its own: one message a run needs no pool.
async fn connected(server: &Address) -> Result<AsyncSmtpConnection, smtp::Error> {
    let (url, host) = (server.expose(), server.to_string());
    let host = host.trim_matches(['[', ']']).to_owned();
    let is_wrapped = url.scheme() == "smtps";
    let is_local = host == "localhost" || host.parse().is_ok_and(is_loopback);
    let port = url.port().unwrap_or(if is_wrapped { 465 } else { 587 });
    let name = ClientId::default();
    let tls = || TlsParameters::new(host.clone());
    let wrapper = if is_wrapped { Some(tls()?) } else { None };
    let connected = AsyncSmtpConnection::connect_tokio1(
        (host.as_str(), port),
        Some(ATTEMPT),
        &name,
        wrapper,
        None,
    );
    let mut connection = connected.await?;
    if !is_wrapped && !is_local {
        connection.starttls(tls()?, &name).await?;
    }
    if !url.username().is_empty() {
        let password = decoded(url.password().unwrap_or_default());
        let credentials = Credentials::new(decoded(url.username()), password);
        connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
    }
    Ok(connection)
}

fn is_loopback(address: std::net::IpAddr) -> bool {
    address.is_loopback()
}

/// What of the address a server might repeat.
fn password(server: &Address) -> Vec<SecretString> {
    let password = server.expose().password();
    password.into_iter().flat_map(|password| [password.into(), decoded(password).into()]).collect()
}

fn causes(error: &smtp::Error) -> String {
    Reason::of(error).message
}

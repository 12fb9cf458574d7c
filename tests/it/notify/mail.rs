//! Mail, by a server that takes what it is given line by line.

use std::sync::{Arc, Mutex};

use replay_archiver::model::Outcome;
use replay_archiver::notify;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Desktop, lost, of_one};
use crate::canaries::API_KEY;

/// A mail server on loopback, and the mails that it took.
struct Mailbox {
    address: std::net::SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Mailbox {
    /// `verdict` is what it says at the end of a mail.
    async fn start(verdict: &'static str) -> Self {
        Self::with(verdict, Manners::Good).await
    }

    async fn with(verdict: &'static str, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&mails);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let taken = Arc::clone(&taken);
                tokio::spawn(
                    async move { drop(converse(client, (verdict, manners), &taken).await) },
                );
            }
        });
        Self { address, mails }
    }

    fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

/// What else a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    Good,
    /// It knows nobody of this name.
    Refuses(&'static str),
    /// It refuses the password, and repeats the line in which it was told.
    Echoes,
}

async fn converse(
    client: TcpStream,
    (verdict, manners): (&str, Manners),
    taken: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    client.get_mut().write_all(b"220 mail\r\n").await?;
    let mut line = String::new();
    while client.read_line(&mut line).await? > 0 {
        let reply = match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => "250-mail\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "AUTH" if manners == Manners::Echoes => {
                format!("535 5.7.8 not accepted: {}\r\n", line.trim())
            }
            "AUTH" => "235 ok\r\n".to_owned(),
            "RCPT" if matches!(manners, Manners::Refuses(name) if line.contains(name)) => {
                "550 5.1.1 no such user\r\n".to_owned()
            }
            "DATA" => {
                client.get_mut().write_all(b"354 go on\r\n").await?;
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    client.read_line(&mut mail).await?;
                }
                if verdict.starts_with("250") {
                    taken.lock().unwrap().push(mail);
                }
                format!("{verdict}\r\n")
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        };
        client.get_mut().write_all(reply.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn desktop(mailbox: &Mailbox) -> Desktop {
    let text = "[[notify]]\nkind = \"mail\"\nsmtp_url_env = \"SMTP\"\nfrom = \"Archive <a@b.example>\"\n\
                to = [\"ops@c.example\", \"运维 <d@e.example>\"]\nlang = \"en\"\n";
    let url = format!("smtp://ops:{API_KEY}@{}", mailbox.address);
    Desktop::new(text, &[("SMTP", url)]).await
}

#[tokio::test]
async fn a_recipient_that_is_refused_keeps_no_other_from_the_mail() {
    let mailbox = Mailbox::with("250 queued", Manners::Refuses("d@e.example")).await;
    let desktop = desktop(&mailbox).await;
    desktop.night(|at| lost(&[(7, "goods")], at)).await;
    assert_eq!(mailbox.mails().len(), 1, "{:?}", mailbox.mails());
    let name = &desktop.alerts.channels[0].name;
    assert_eq!(desktop.ledger.waiting_notices(name).await.unwrap().len(), 0);
    let nobody = Mailbox::with("250 queued", Manners::Refuses("@")).await;
    let url = format!("smtp://{}", nobody.address);
    let text = "[[notify]]\nkind = \"mail\"\nsmtp_url_env = \"SMTP\"\nfrom = \"a@b.example\"\n\
                to = [\"ops@c.example\", \"d@e.example\"]\n";
    let desktop = Desktop::new(text, &[("SMTP", url)]).await;
    let refused = notify::test(&desktop.alerts.channels[0], desktop.desk("one")).await;
    assert!(refused.unwrap_err().to_string().contains("no such user"));
    assert!(nobody.mails().is_empty());
}

#[tokio::test]
async fn a_server_that_repeats_the_password_makes_no_error_show_it() {
    let mailbox = Mailbox::with("250 queued", Manners::Echoes).await;
    let url = format!("smtp://ops:pw-7Kq2@{}", mailbox.address);
    let text = "[[notify]]\nkind = \"mail\"\nsmtp_url_env = \"SMTP\"\nfrom = \"a@b.example\"\n\
                to = [\"ops@c.example\"]\n";
    let desktop = Desktop::new(text, &[("SMTP", url)]).await;
    let refused = notify::test(&desktop.alerts.channels[0], desktop.desk("one")).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("not accepted: AUTH PLAIN ***") && !error.contains("AG9"), "{error}");
}

#[tokio::test]
async fn a_mail_goes_to_everybody_named_with_what_matters_in_its_subject() {
    let mailbox = Mailbox::start("250 queued").await;
    let desktop = desktop(&mailbox).await;
    desktop.night(|at| lost(&[(7, "New <b>goods</b>")], at)).await;
    let mails = mailbox.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    for part in [
        "From: Archive <a@b.example>",
        "ops@c.example",
        "d@e.example",
        "Subject: ",
        "Message-ID: <msg_",
    ] {
        assert!(mails[0].contains(part), "no {part} in {}", mails[0]);
    }
    assert!(!mails[0].contains("<b>") && !mails[0].contains("canary"), "{}", mails[0]);
}

#[tokio::test]
async fn a_mail_that_is_refused_waits_and_the_password_is_in_no_error() {
    let mailbox = Mailbox::start("554 no thanks").await;
    let desktop = desktop(&mailbox).await;
    let refused = notify::test(&desktop.alerts.channels[0], desktop.desk("one")).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("no thanks") && !error.contains("canary"), "{error}");
    desktop.night(|at| of_one(Outcome::Left, at)).await;
    let name = &desktop.alerts.channels[0].name;
    assert_eq!(desktop.ledger.waiting_notices(name).await.unwrap().len(), 1);
}

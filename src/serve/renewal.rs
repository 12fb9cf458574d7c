//! Secrets that change while the server runs: a token that is removed from its file opens nothing a few seconds
//! later.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Tokens;
use super::app::App;
use crate::clock;
use crate::model::Sha256Digest;
use crate::playback::LinkKey;

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(2);

/// What the files with secrets have.
#[derive(Debug)]
pub struct Secrets {
    /// The API tokens, if there is a file for them.
    pub tokens: Option<Tokens>,
    /// The key of links, if there is a file for it.
    pub link_key: Option<LinkKey>,
    /// Changes whenever a file does.
    pub digest: Sha256Digest,
}

/// Reads the files with secrets, or says what is wrong with them.
pub struct SecretFiles {
    /// What they had when the server began.
    digest: Sha256Digest,
    read: Box<dyn Fn() -> Result<Secrets, String> + Send + Sync>,
}

impl SecretFiles {
    /// Files that `read` reads, and that had this digest. It may block.
    pub fn new(
        digest: Sha256Digest,
        read: impl Fn() -> Result<Secrets, String> + Send + Sync + 'static,
    ) -> Self {
        Self { digest, read: Box::new(read) }
    }
}

impl fmt::Debug for SecretFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretFiles(…)")
    }
}

/// Puts what the files have into force, again and again. Does not end by itself.
pub(super) async fn follow(app: Arc<App>, files: Arc<SecretFiles>) {
    let mut watch = Watch { in_force: files.digest, seen: None, problem: None };
    loop {
        let reading = Arc::clone(&files);
        let read = tokio::task::spawn_blocking(move || (reading.read)()).await;
        let read = read.unwrap_or_else(|_| Err("they cannot be read".to_owned()));
        if let Some(secrets) = watch.look(read) {
            app.renew(secrets);
            tracing::info!("the files with tokens and keys have changed: what they have now holds");
        }
        clock::pause(EVERY).await;
    }
}

/// What was seen of the files.
#[derive(Debug)]
struct Watch {
    in_force: Sha256Digest,
    /// What was seen last. It counts when it is seen again: before, somebody may still be writing.
    seen: Option<Sha256Digest>,
    /// What was wrong, so that it is told once.
    problem: Option<String>,
}

impl Watch {
    /// The secrets to put into force. Files that cannot be used change nothing: a slip must lock nobody out.
    fn look(&mut self, read: Result<Secrets, String>) -> Option<Secrets> {
        let secrets = match read {
            Ok(secrets) => secrets,
            Err(problem) => {
                self.seen = None;
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(
                        "the files with tokens and keys cannot be used: those read before still hold: {problem}"
                    );
                    self.problem = Some(problem);
                }
                return None;
            }
        };
        self.problem = None;
        let digest = secrets.digest;
        let (is_new, is_stable) = (self.in_force != digest, self.seen == Some(digest));
        self.seen = Some(digest);
        if !is_new || !is_stable {
            return None;
        }
        self.in_force = digest;
        Some(secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(text: &str) -> Result<Secrets, String> {
        let digest = Sha256Digest::of(text.as_bytes());
        Ok(Secrets { tokens: None, link_key: None, digest })
    }

    #[test]
    fn a_change_counts_when_it_is_seen_twice_and_a_broken_file_changes_nothing() {
        let in_force = Sha256Digest::of(b"a");
        let mut watch = Watch { in_force, seen: None, problem: None };
        let mut taken = Vec::new();
        for read in
            ["a", "a", "ha", "half", "new", "new", "new", "!", "!", "new", "a", "!", "a", "a"]
        {
            let result = if read == "!" { Err("broken".to_owned()) } else { secrets(read) };
            taken.push(watch.look(result).is_some());
        }
        let counted: Vec<_> =
            (0..).zip(taken).filter(|(_, taken)| *taken).map(|(at, _)| at).collect();
        assert_eq!(counted, [5, 13]);
    }
}

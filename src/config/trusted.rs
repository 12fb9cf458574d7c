//! Files and programs named by a configuration that other users of this machine must not be able to
//! change or read.

use std::borrow::Cow;
use std::path::PathBuf;

use super::file::TokenKind;
use super::{ConfigFile, Environment};

impl ConfigFile {
    /// Whether the file itself may contain a secret: in an address or in the arguments of a command.
    pub fn may_hold_secrets(&self) -> bool {
        let addresses =
            [&self.ledger.url, &self.store.endpoint, &self.wechat.proxy, &self.media.proxy];
        let has_password = |url: &&String| !url.starts_with("sqlite:") && url.contains(['@', '?']);
        let tokens = || self.tokens();
        let is_command = |words: &Vec<String>| words.len() > 1;
        addresses.into_iter().any(|url| has_password(&url))
            || tokens().any(|token| token.url.is_some())
            || tokens().filter_map(|token| token.command.as_ref()).any(is_command)
    }

    /// The files that contain secrets; credentials only where there are any.
    pub fn secret_files(&self, environment: &Environment) -> impl Iterator<Item = PathBuf> {
        let tokens = self.tokens();
        let files = tokens.flat_map(|token| {
            let token_file = token.file.as_ref().filter(|_| token.source == TokenKind::File);
            [token.secret_file.as_ref(), token_file]
        });
        let told = self
            .notify
            .iter()
            .flat_map(|channel| [&channel.url_file, &channel.secret_file, &channel.smtp_url_file]);
        let (serve, monitor) = (&self.serve, &self.monitor);
        let own = [
            &self.store.secret_key_file,
            &self.redis.url_file,
            &self.platform.secret_file,
            &self.platform.ticket_file,
            &self.platform.token_file,
            &serve.token_file,
            &serve.link_key_file,
            &serve.sign_key_file,
            &monitor.healthchecks_url_file,
            &monitor.uptime_kuma_url_file,
        ];
        let files = files.chain(told.chain(own).map(Option::as_ref)).flatten();
        let named = files.filter(|file| !file.as_os_str().is_empty());
        named.filter_map(|file| environment.file(file, "").ok().map(Cow::into_owned))
    }

    /// The programs that token commands run, including every absolute path among their arguments.
    pub fn programs(&self) -> impl Iterator<Item = &str> {
        let commands = self.tokens().filter_map(|token| token.command.as_ref());
        let words = commands.flat_map(|words| words.iter().enumerate());
        let is_meant = |(place, word): &(usize, &String)| *place == 0 || word.starts_with('/');
        words.filter(is_meant).map(|(_, word)| word.as_str())
    }
}

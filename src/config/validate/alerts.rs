//! `[[notify]]`, `[monitor]` and `[run]`: who is told how a run ended.

use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::accounts::is_no_secret;
use super::wrong;
use crate::config::alerts::{Address, Alerts, Channel, Monitor, Robot, Way};
use crate::config::notify::{Kind, NotifySection};
use crate::config::secrets::{self, Source};
use crate::config::{ConfigError, ConfigFile, Environment, Sources, inherited, suspect};
use crate::model::AppId;

/// Everything, checked.
pub(in crate::config) fn alerts(
    file: &ConfigFile,
    sources: &Sources,
) -> Result<Alerts, ConfigError> {
    let mut channels = Vec::new();
    for channel in each(file, sources) {
        channels.push(channel?);
    }
    name_apart(&mut channels);
    let monitor = monitor(file, &sources.environment)?;
    Ok(Alerts { channels, monitor, ..rest(file) })
}

/// What of it can be used.
pub(in crate::config) fn usable(file: &ConfigFile, sources: &Sources) -> Alerts {
    let about_all = file.notify.iter().map(|section| NotifySection {
        // Where it names an account that is not configured, it is told of all: better than of none.
        accounts: Vec::new(),
        ..section.clone()
    });
    let about_all = ConfigFile { notify: about_all.collect(), ..ConfigFile::default() };
    let pairs = each(file, sources).zip(each(&about_all, sources));
    let mut channels: Vec<_> =
        pairs.filter_map(|(one, about_all)| one.or(about_all).ok()).collect();
    name_apart(&mut channels);
    let environment = &sources.environment;
    let monitor = Monitor {
        healthchecks: healthchecks(file, environment).ok().flatten(),
        uptime_kuma: uptime_kuma(file, environment).ok().flatten(),
        textfile: textfile(file).ok().flatten(),
    };
    Alerts { channels, monitor, ..rest(file) }
}

fn rest(file: &ConfigFile) -> Alerts {
    let ledger_url = super::ledger_url(&file.ledger.url).ok();
    let appids: Vec<_> = file.accounts.iter().map(|account| account.appid.clone()).collect();
    let is_partial = appids.iter().any(|appid| appid.parse::<AppId>().is_err());
    let (success, has_others) = (file.run.success.clone(), file.has_accounts_elsewhere());
    Alerts { success, appids, has_others, is_partial, ledger_url, ..Alerts::default() }
}

fn each(
    file: &ConfigFile,
    sources: &Sources,
) -> impl Iterator<Item = Result<Channel, ConfigError>> {
    let channel = |(number, section)| {
        channel(section, file, &sources.environment, &format!("notify.{number}"))
    };
    file.notify.iter().enumerate().map(channel)
}

/// The ledger tells channels apart by their names.
pub(super) fn name_apart(channels: &mut [Channel]) {
    let names: Vec<_> = channels.iter().map(|channel| channel.name.clone()).collect();
    for (place, channel) in channels.iter_mut().enumerate() {
        let same = names.iter().take(place).filter(|name| **name == channel.name).count();
        if same > 0 {
            channel.name = format!("{} #{}", channel.name, same + 1);
        }
    }
}

fn channel(
    section: &NotifySection,
    file: &ConfigFile,
    environment: &Environment,
    path: &str,
) -> Result<Channel, ConfigError> {
    const KINDS: &str = "wecom, dingtalk, feishu, webhook, mail or command";
    let missing = || wrong(&format!("{path}.kind"), format!("required: one of {KINDS}"));
    let kind = section.kind.ok_or_else(missing)?;
    has_no_more(section, kind, path)?;
    let reading = Reading { section, environment, path };
    let way = match kind {
        Kind::Wecom => Way::Wecom(reading.robot()?),
        Kind::Dingtalk => Way::Dingtalk(reading.robot()?),
        Kind::Feishu => Way::Feishu(reading.robot()?),
        Kind::Webhook => Way::Webhook(reading.robot()?),
        Kind::Mail => reading.mail()?,
        Kind::Command => reading.command()?,
    };
    let accounts = accounts(section, file, path)?;
    Ok(Channel {
        name: name(section, kind),
        way,
        on: section.on.clone(),
        accounts,
        lang: section.lang,
    })
}

/// What a channel of known kind is called.
#[cfg(feature = "sandbox")]
pub(super) fn name_of(section: &NotifySection) -> String {
    section.kind.map(|kind| name(section, kind)).unwrap_or_default()
}

/// What logs and the ledger call a channel: without any secret, and the same when its key changes.
fn name(section: &NotifySection, kind: Kind) -> String {
    let file = section.url_file.as_ref().or(section.smtp_url_file.as_ref());
    let file = file.map(|file| file.display().to_string());
    let variable = section.url_env.as_ref().or(section.smtp_url_env.as_ref()).cloned();
    let program = section.command.as_ref().and_then(|words| words.first()).cloned();
    let what = file.or(variable).or(program).unwrap_or_default();
    format!("{} {}", kind.as_str(), what.trim())
}

/// Fails on a key that the kind does not know: it would be ignored silently.
fn has_no_more(section: &NotifySection, kind: Kind, path: &str) -> Result<(), ConfigError> {
    let is_posted = !matches!(kind, Kind::Mail | Kind::Command);
    let is_signed = matches!(kind, Kind::Dingtalk | Kind::Feishu | Kind::Webhook);
    let has_keyword = matches!(kind, Kind::Dingtalk | Kind::Feishu);
    let (is_mail, is_command) = (kind == Kind::Mail, kind == Kind::Command);
    let keys = [
        ("url_env", section.url_env.is_some(), is_posted),
        ("url_file", section.url_file.is_some(), is_posted),
        ("secret_env", section.secret_env.is_some(), is_signed),
        ("secret_file", section.secret_file.is_some(), is_signed),
        ("keyword", section.keyword.is_some(), has_keyword),
        ("smtp_url_env", section.smtp_url_env.is_some(), is_mail),
        ("smtp_url_file", section.smtp_url_file.is_some(), is_mail),
        ("from", section.from.is_some(), is_mail),
        ("to", !section.to.is_empty(), is_mail),
        ("command", section.command.is_some(), is_command),
        ("command_env", !section.command_env.is_empty(), is_command),
    ];
    match keys.into_iter().find(|(_, is_set, is_known)| *is_set && !is_known) {
        Some((key, ..)) => {
            let problem = format!("not a key of kind {}\nhint: remove it [RA708]", kind.as_str());
            Err(wrong(&format!("{path}.{key}"), problem))
        }
        None => Ok(()),
    }
}

fn accounts(
    section: &NotifySection,
    file: &ConfigFile,
    path: &str,
) -> Result<Vec<AppId>, ConfigError> {
    let known: Vec<_> = file.accounts.iter().map(|account| account.appid.as_str()).collect();
    let account = |appid: &String| match appid.parse::<AppId>() {
        Ok(found) if known.contains(&appid.as_str()) || file.has_accounts_elsewhere() => Ok(found),
        _ => {
            let (asked, known) = (suspect::shown(appid), known.join(", "));
            let problem = format!("{asked} is not configured; configured accounts: {known}");
            Err(wrong(&format!("{path}.accounts"), problem))
        }
    };
    section.accounts.iter().map(account).collect()
}

/// A section that is being read.
struct Reading<'a> {
    section: &'a NotifySection,
    environment: &'a Environment,
    path: &'a str,
}

impl Reading<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    fn robot(&self) -> Result<Robot, ConfigError> {
        let Self { section, environment, .. } = self;
        let url = (section.url_env.as_deref(), section.url_file.as_deref());
        let address = address(environment, url, &self.at("url"), &["https", "http"])?;
        let secret = (section.secret_env.as_deref(), section.secret_file.as_deref());
        let secret = match secret {
            (None, None) => None,
            (variable, file) => {
                let path = self.at("secret");
                Some(secret_of(environment, (variable, file), path, "the signing secret")?)
            }
        };
        let keyword = section.keyword.clone().unwrap_or_default().trim().to_owned();
        Ok(Robot { address, secret, keyword })
    }

    fn mail(&self) -> Result<Way, ConfigError> {
        let Self { section, environment, .. } = self;
        let url = (section.smtp_url_env.as_deref(), section.smtp_url_file.as_deref());
        let server = address(environment, url, &self.at("smtp_url"), &["smtps", "smtp"])?;
        let from = self.mailbox("from", section.from.as_deref().unwrap_or_default())?;
        if section.to.is_empty() {
            let problem = "no recipient\nhint: write a list such as [\"ops@example.com\"] [RA708]";
            return Err(wrong(&self.at("to"), problem));
        }
        let to = section.to.iter().map(|to| self.mailbox("to", to)).collect::<Result<_, _>>()?;
        Ok(Way::Mail { server, from, to })
    }

    fn mailbox(&self, key: &str, text: &str) -> Result<Mailbox, ConfigError> {
        let problem = "not a mail address\nhint: write \"ops@example.com\" or \
                       \"Operations <ops@example.com>\" [RA708]";
        text.trim().parse().map_err(|_| wrong(&self.at(key), problem))
    }

    fn command(&self) -> Result<Way, ConfigError> {
        let command = self.section.command.as_deref().and_then(<[String]>::split_first);
        let missing = "required: a list such as [\"program\", \"argument\"]";
        let (program, arguments) = command.ok_or_else(|| wrong(&self.at("command"), missing))?;
        is_no_secret(program.as_ref(), &self.at("command"), "a program")?;
        let named = &self.section.command_env;
        let environment = inherited::by_command(self.environment, named, self.path)?;
        Ok(Way::Command { program: program.clone(), arguments: arguments.to_vec(), environment })
    }
}

fn secret_of(
    environment: &Environment,
    (variable, file): (Option<&str>, Option<&Path>),
    path: String,
    what: &'static str,
) -> Result<SecretString, ConfigError> {
    let file = file.filter(|file| !file.as_os_str().is_empty());
    secrets::secret(environment, &Source { variable: variable.map(str::trim), file, path, what })
}

/// The address that a variable or a file holds. Errors do not show it.
fn address(
    environment: &Environment,
    from: (Option<&str>, Option<&Path>),
    path: &str,
    schemes: &[&str],
) -> Result<Address, ConfigError> {
    let text = secret_of(environment, from, path.to_owned(), "the address")?;
    let is_usable = |url: &Url| schemes.contains(&url.scheme()) && url.host_str().is_some();
    let url = Url::parse(text.expose_secret()).ok().filter(is_usable);
    url.map(Address::new).ok_or_else(|| {
        let key = if from.1.is_some() { "file" } else { "env" };
        let begins: Vec<_> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
        let begins = begins.join(" or ");
        let problem = format!(
            "what it names is not an address that begins with {begins}\n\
             hint: copy the complete address there [RA703]"
        );
        wrong(&format!("{path}_{key}"), problem)
    })
}

fn monitor(file: &ConfigFile, environment: &Environment) -> Result<Monitor, ConfigError> {
    Ok(Monitor {
        textfile: textfile(file)?,
        healthchecks: healthchecks(file, environment)?,
        uptime_kuma: uptime_kuma(file, environment)?,
    })
}

fn healthchecks(
    file: &ConfigFile,
    environment: &Environment,
) -> Result<Option<Address>, ConfigError> {
    let section = &file.monitor;
    let named = (section.healthchecks_url_env.as_str(), section.healthchecks_url_file.as_deref());
    monitored(environment, named, "monitor.healthchecks_url")
}

fn uptime_kuma(
    file: &ConfigFile,
    environment: &Environment,
) -> Result<Option<Address>, ConfigError> {
    let section = &file.monitor;
    let named = (section.uptime_kuma_url_env.as_str(), section.uptime_kuma_url_file.as_deref());
    monitored(environment, named, "monitor.uptime_kuma_url")
}

/// The address of a monitor, if a variable or a file is named for it.
fn monitored(
    environment: &Environment,
    (variable, file): (&str, Option<&Path>),
    path: &str,
) -> Result<Option<Address>, ConfigError> {
    let variable = Some(variable.trim()).filter(|name| !name.is_empty());
    let file = file.filter(|file| !file.as_os_str().is_empty());
    if variable.is_none() && file.is_none() {
        return Ok(None);
    }
    address(environment, (variable, file), path, &["https", "http"]).map(Some)
}

fn textfile(file: &ConfigFile) -> Result<Option<PathBuf>, ConfigError> {
    let textfile = file.monitor.textfile.clone().filter(|file| !file.as_os_str().is_empty());
    if textfile.as_ref().is_some_and(|file| file.extension().is_none_or(|ext| ext != "prom")) {
        let problem = "node_exporter reads only files whose names end in .prom";
        return Err(wrong("monitor.textfile", problem));
    }
    Ok(textfile)
}

#[cfg(test)]
mod tests;

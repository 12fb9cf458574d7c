//! Who would be told how a run ended, for a rehearsal that sends nothing and reads no secret.

use std::path::PathBuf;

use super::alerts;
use crate::config::alerts::{Alerts, Channel};
use crate::config::notify::{MonitorSection, NotifySection};
use crate::config::{ConfigFile, Environment, Sources};

/// What stands for each address and secret, by the name of a variable.
const STAND_INS: [(&str, &str); 3] = [
    ("ADDRESS", "https://nobody.invalid/"),
    ("MAIL_SERVER", "smtps://nobody.invalid/"),
    ("SECRET", "nobody knows it"),
];

/// What is usable of it. Each address is one at which nobody listens.
pub(in crate::config) fn unsent(file: &ConfigFile, sources: &Sources) -> Alerts {
    let variables = STAND_INS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let stand_ins = Sources { environment: Environment::from_iter(variables), ..sources.clone() };
    let mut usable = alerts::usable(
        &ConfigFile { notify: Vec::new(), monitor: monitor(&file.monitor), ..file.clone() },
        &stand_ins,
    );
    for section in &file.notify {
        let one = ConfigFile { notify: vec![channel(section)], ..file.clone() };
        let read = alerts::usable(&one, &stand_ins).channels;
        let named = |read| Channel { name: alerts::name_of(section), ..read };
        usable.channels.extend(read.into_iter().map(named));
    }
    alerts::name_apart(&mut usable.channels);
    usable
}

fn channel(section: &NotifySection) -> NotifySection {
    let mut known = section.clone();
    stand_in("ADDRESS", &mut known.url_env, &mut known.url_file);
    stand_in("MAIL_SERVER", &mut known.smtp_url_env, &mut known.smtp_url_file);
    stand_in("SECRET", &mut known.secret_env, &mut known.secret_file);
    known.command_env.clear();
    known
}

fn monitor(section: &MonitorSection) -> MonitorSection {
    let stands_for = |variable: &str, file: &Option<PathBuf>| {
        let mut variable = Some(variable.trim().to_owned()).filter(|name| !name.is_empty());
        let mut file = file.clone().filter(|file| !file.as_os_str().is_empty());
        stand_in("ADDRESS", &mut variable, &mut file);
        variable.unwrap_or_default()
    };
    MonitorSection {
        healthchecks_url_env: stands_for(
            &section.healthchecks_url_env,
            &section.healthchecks_url_file,
        ),
        healthchecks_url_file: None,
        uptime_kuma_url_env: stands_for(
            &section.uptime_kuma_url_env,
            &section.uptime_kuma_url_file,
        ),
        uptime_kuma_url_file: None,
        textfile: section.textfile.clone(),
    }
}

/// Puts a variable of [`STAND_INS`] in the place of what names an address or a secret, if anything does.
fn stand_in(name: &str, variable: &mut Option<String>, file: &mut Option<PathBuf>) {
    if variable.is_some() || file.is_some() {
        (*variable, *file) = (Some(name.to_owned()), None);
    }
}

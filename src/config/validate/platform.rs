//! `[redis]` and `[platform]`: where others keep tokens, and the third-party platform.

use std::path::Path;
use std::sync::Arc;

use secrecy::SecretString;

use super::accounts::{Means, is_no_secret};
use super::{optional, wrong};
use crate::config::secrets::{self, Source};
use crate::config::{ConfigError, ConfigFile, Environment};
use crate::wechat::{Component, Kept, Refresher};

/// The address of the Redis server.
pub(super) fn redis_url(
    file: &ConfigFile,
    environment: &Environment,
) -> Result<SecretString, ConfigError> {
    let section = &file.redis;
    let given = |text: &Option<String>| text.as_deref().and_then(optional).map(str::to_owned);
    let url = secrets::secret(
        environment,
        &Source {
            variable: given(&section.url_env).as_deref(),
            file: section.url_file.as_deref().filter(|file| !file.as_os_str().is_empty()),
            path: "redis.url".to_owned(),
            what: "the address of the Redis server, such as redis://USER:PASSWORD@HOST:6379/0",
        },
    )?;
    crate::wechat::redis_url_problem(&url)
        .map_or(Ok(url), |problem| Err(wrong("redis.url_env", problem)))
}

/// The third-party platform, if one is configured.
pub(in crate::config) fn component(
    file: &ConfigFile,
    environment: &Environment,
) -> Result<Option<Arc<Component>>, ConfigError> {
    let section = &file.platform;
    let Some(appid) = optional(&section.component_appid) else {
        return match section.accounts || section.only_refresher {
            true => Err(wrong(
                "platform.component_appid",
                "the platform's appid is missing\nhint: it is at open.weixin.qq.com → 管理中心 → 第三方平台 [RA216]",
            )),
            false => Ok(None),
        };
    };
    let appid = super::accounts::appid(appid, "platform.component_appid")?;
    let means = Means { file, environment, component: None };
    let refresher = match section.only_refresher {
        true => Refresher::Here {
            secret: secrets::secret(
                environment,
                &Source {
                    variable: section.secret_env.as_deref().map(str::trim),
                    file: section
                        .secret_file
                        .as_deref()
                        .filter(|file| !file.as_os_str().is_empty()),
                    path: "platform.secret".to_owned(),
                    what: "the platform's appsecret",
                },
            )?,
            ticket: kept(
                (&section.ticket_file, &section.ticket_env, &section.ticket_key),
                means,
                "ticket",
                "the component_verify_ticket",
            )?,
        },
        false => Refresher::Other(kept(
            (&section.token_file, &section.token_env, &section.token_key),
            means,
            "token",
            "the component_access_token that the platform keeps",
        )?),
    };
    Ok(Some(Arc::new(Component::new(appid, refresher))))
}

/// A secret that something else keeps fresh: in a file, a variable or Redis.
fn kept(
    (file, variable, key): (&Option<std::path::PathBuf>, &Option<String>, &Option<String>),
    means: Means<'_>,
    name: &str,
    what: &str,
) -> Result<Kept, ConfigError> {
    let at = |end: &str| format!("platform.{name}_{end}");
    let is_given = |text: &&str| !text.trim().is_empty();
    if let Some(key) = key.as_deref().filter(is_given) {
        let url = redis_url(means.file, means.environment)?;
        let component = &means.file.platform.component_appid;
        return Ok(Kept::Redis { url, key: key.trim().replace("{component}", component.trim()) });
    }
    if let Some(file) = file.as_deref().filter(|file: &&Path| !file.as_os_str().is_empty()) {
        is_no_secret(file, &at("file"), "the path of a file")?;
        return Ok(Kept::File(means.environment.file(file, &at("file"))?.into_owned()));
    }
    if let Some(variable) = variable.as_deref().filter(is_given) {
        let secret = secrets::of_variable(means.environment, variable.trim(), &at("env"), what)?;
        return Ok(Kept::Value(secret));
    }
    let problem = format!(
        "nothing says where {what} is\nhint: set {name}_file, {name}_key (in Redis) or {name}_env [RA101]"
    );
    Err(wrong(&at("file"), problem))
}

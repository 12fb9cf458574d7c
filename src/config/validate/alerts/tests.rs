use std::path::Path;

use super::*;
use crate::config::Event;
use crate::config::{Lang, understand};
use crate::model::Outcome;

const KEY: &str = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=c4f09be2-d855-4a01";

fn environment() -> Environment {
    let set = [
        ("WECOM_URL", KEY),
        ("SIGN", "SECc4f09be2d855"),
        ("SMTP_URL", "smtps://ops:hunter2@mail.example.com"),
        ("NO_URL", "hunter2"),
    ];
    set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read(text: &str) -> Result<Alerts, ConfigError> {
    let text = format!("[[account]]\nappid = \"wx1\"\n{text}");
    let sources = Sources { file: "p.toml".into(), environment: environment(), accounts: vec![] };
    let (file, origins) = understand(&text, Some(Path::new("p.toml")), &sources.environment)?;
    alerts(&file, &sources).map_err(|error| error.placed(&origins))
}

#[test]
fn a_channel_needs_its_kind_and_address_alone() {
    let found = read("[[notify]]\nkind = \"wecom\"\nurl_env = \"WECOM_URL\"\n").unwrap();
    let [channel] = &found.channels[..] else { panic!("{found:?}") };
    assert_eq!(channel.name, "wecom WECOM_URL");
    assert_eq!((channel.lang, &channel.on[..]), (Lang::Zh, &Event::USUAL[..]));
    let Way::Wecom(robot) = &channel.way else { panic!("{channel:?}") };
    assert_eq!(robot.address.expose().as_str(), KEY);
    assert!(!format!("{found:?}").contains("c4f09be2"), "{found:?}");
}

#[test]
fn two_channels_of_one_address_have_their_own_names() {
    let one = "[[notify]]\nkind = \"wecom\"\nurl_env = \"WECOM_URL\"\n";
    let found = read(&format!("{one}{one}lang = \"en\"\n")).unwrap();
    let names: Vec<_> = found.channels.iter().map(|channel| channel.name.as_str()).collect();
    assert_eq!(names, ["wecom WECOM_URL", "wecom WECOM_URL #2"]);
}

#[test]
fn what_is_wrong_is_named_and_no_address_is_shown() {
    let wecom = |more: &str| format!("[[notify]]\nkind = \"wecom\"\n{more}");
    let table: Vec<(String, &[&str])> = vec![
        ("[[notify]]\nurl_env = \"WECOM_URL\"".into(), &["line 3", "[[notify]] kind: required"]),
        ("[[notify]]\nkind = \"wecon\"".into(), &["line 4", "did you mean `wecom`?"]),
        (
            wecom("url_env = \"WECOM_URI\""),
            &["line 5: [[notify]] wecom: url_env", "WECOM_URI is not set"],
        ),
        (wecom(""), &["[[notify]] wecom: url_env: no source for the address"]),
        (wecom(&format!("url = \"{KEY}\"")), &["line 5", "url_env = \"WECOM_URL\""]),
        (wecom(&format!("url_env = \"{KEY}\"")), &["line 5", "is not the name of an environment"]),
        (wecom("url_env = \"NO_URL\""), &["not an address that begins with https:// or http://"]),
        (wecom("url_env = \"WECOM_URL\"\nto = [\"a@b.c\"]"), &["to: not a key of kind wecom"]),
        (wecom("url_env = \"WECOM_URL\"\non = [\"lots\"]"), &["line 6", "did you mean `lost`?"]),
        (
            wecom("url_env = \"WECOM_URL\"\naccounts = [\"wx9\"]"),
            &["accounts: wx9 is not configured"],
        ),
        (wecom("url_env = \"WECOM_URL\"\nlang = \"cn\""), &["line 6", "lang"]),
        (
            "[[notify]]\nkind = \"mail\"\nsmtp_url_env = \"SMTP_URL\"".into(),
            &["from: not a mail address"],
        ),
        (
            "[[notify]]\nkind = \"mail\"\nsmtp_url_env = \"SMTP_URL\"\nfrom = \"a@b.c\"".into(),
            &["to: no recipient"],
        ),
        ("[[notify]]\nkind = \"command\"".into(), &["command: required"]),
        ("[notify]\nkind = \"wecom\"".into(), &["[[notify]] with double brackets"]),
        ("[run]\nsuccess = [\"fine\"]".into(), &["[run] success"]),
        (format!("[monitor]\nhealthchecks_url = \"{KEY}\""), &["url_env"]),
        ("[monitor]\ntextfile = \"/a/b.txt\"".into(), &["textfile", ".prom"]),
    ];
    for (text, parts) in table {
        let error = read(&text).err().map(|error| error.to_string()).unwrap_or_default();
        for part in parts {
            assert!(error.contains(part), "{text}: no {part:?} in {error:?}");
        }
        assert!(!error.contains("c4f09be2") && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn mail_has_a_sender_and_people() {
    let found = read(
        "[[notify]]\nkind = \"mail\"\nsmtp_url_env = \"SMTP_URL\"\nfrom = \"直播存档 <a@b.c>\"\n\
         to = [\"d@e.f\", \"运维 <g@h.i>\"]\n[run]\nsuccess = [\"ok\", \"continuing\"]\n",
    )
    .unwrap();
    let Way::Mail { to, .. } = &found.channels[0].way else { panic!("{found:?}") };
    assert_eq!((to.len(), found.channels[0].name.as_str()), (2, "mail SMTP_URL"));
    assert_eq!(found.success, [Outcome::Ok, Outcome::Continuing]);
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
}

#[test]
fn a_channel_that_is_wrong_hides_no_other() {
    let text = "[[notify]]\nkind = \"wecom\"\nurl_env = \"UNSET\"\n[[notify]]\nkind = \"wecom\"\n\
                url_env = \"WECOM_URL\"\n";
    let (environment, accounts) = (environment(), Vec::new());
    let (file, _) = understand(text, None, &environment).unwrap();
    let sources = Sources { file: "p.toml".into(), environment, accounts };
    assert_eq!(usable(&file, &sources).channels.len(), 1);
    assert!(alerts(&file, &sources).is_err());
}

#[test]
fn a_monitor_that_is_wrong_hides_no_other() {
    for (wrong, right) in [
        ("healthchecks_url_env = \"UNSET\"", [false, true, true]),
        ("uptime_kuma_url_file = \"/not/there\"", [true, false, true]),
        ("textfile = \"/a/b.txt\"", [true, true, false]),
    ] {
        let mut section: toml::Table = toml::from_str(
            "healthchecks_url_env = \"WECOM_URL\"\nuptime_kuma_url_env = \"WECOM_URL\"\n\
             textfile = \"/a/b.prom\"\n",
        )
        .unwrap();
        let wrong: toml::Table = toml::from_str(wrong).unwrap();
        if wrong.contains_key("uptime_kuma_url_file") {
            section.remove("uptime_kuma_url_env");
        }
        section.extend(wrong.clone());
        let (environment, accounts) = (environment(), Vec::new());
        let (file, _) = understand(&format!("[monitor]\n{section}"), None, &environment)
            .map(|(file, _)| (file, ()))
            .unwrap();
        let sources = Sources { file: "p.toml".into(), environment, accounts };
        let monitor = usable(&file, &sources).monitor;
        let found = [
            monitor.healthchecks.is_some(),
            monitor.uptime_kuma.is_some(),
            monitor.textfile.is_some(),
        ];
        assert_eq!(found, right, "{wrong}");
    }
}

#[test]
fn a_channel_for_an_account_that_is_not_there_hears_of_the_rest() {
    let text = "[[notify]]\nkind = \"wecom\"\nurl_env = \"WECOM_URL\"\naccounts = [\"wx9\"]\n";
    let (environment, accounts) = (environment(), Vec::new());
    let (file, _) = understand(text, None, &environment).unwrap();
    let sources = Sources { file: "p.toml".into(), environment, accounts };
    let found = usable(&file, &sources).channels;
    assert!(matches!(&found[..], [one] if one.accounts.is_empty()), "{found:?}");
}

#[test]
fn variables_add_a_channel_and_change_one() {
    let set = [
        ("REPLAY_ARCHIVER_NOTIFY__0__LANG", "en"),
        ("REPLAY_ARCHIVER_NOTIFY__1__KIND", "mail"),
        ("REPLAY_ARCHIVER_NOTIFY__1__SMTP_URL_ENV", "REPLAY_ARCHIVER_SMTP"),
        ("REPLAY_ARCHIVER_NOTIFY__1__FROM", "归档 <a@b.c>"),
        ("REPLAY_ARCHIVER_NOTIFY__1__TO", "d@e.f, 运维 <g@h.i>"),
        ("REPLAY_ARCHIVER_NOTIFY__1__ON", "lost,failed"),
        ("REPLAY_ARCHIVER_SMTP", "smtp://127.0.0.1:2525"),
        ("WECOM_URL", KEY),
        ("REPLAY_ARCHIVER_RUN__SUCCESS", "ok"),
    ];
    let environment: Environment =
        set.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let text = "[[notify]]\nkind = \"wecom\"\nurl_env = \"WECOM_URL\"\n";
    let (file, _) = understand(text, None, &environment).unwrap();
    let sources = Sources { file: "p.toml".into(), environment, accounts: Vec::new() };
    let found = alerts(&file, &sources).unwrap();
    assert_eq!(found.channels[0].lang, Lang::En);
    let mail = &found.channels[1];
    assert_eq!(
        (mail.name.as_str(), &mail.on[..]),
        ("mail REPLAY_ARCHIVER_SMTP", &[Event::Lost, Event::Failed][..])
    );
    assert_eq!(found.success, [Outcome::Ok]);
}

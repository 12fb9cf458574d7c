//! What can be used of a file with wrong keys: a typing error in one section must not silence those who are to
//! hear of it.

use toml::{Table, Value};

use super::{ConfigFile, Environment, keys, overlay};

/// The keys that are right, with the variables applied that are. Whatever is wrong is left out by itself: a key,
/// one entry of a list of sections, a section. Whether values are usable is decided later, as for any file.
pub(super) fn salvaged(mut table: Table, environment: &Environment) -> ConfigFile {
    for section in keys::SEVERAL {
        // `[notify]` in place of `[[notify]]`.
        if let Some(value) = table.get_mut(section).filter(|value| value.is_table()) {
            *value = Value::Array(vec![value.clone()]);
        }
    }
    let table = overlay::usable(environment, table);
    let kept = pruned(&table, &|part| part.try_into::<ConfigFile>().is_ok());
    let url = |table: &Table| table.get("ledger")?.get("url").cloned();
    let is_same_ledger = url(&kept).is_some() || kept.get("ledger") == table.get("ledger");
    let mut file: ConfigFile = kept.try_into().unwrap_or_default();
    if !is_same_ledger {
        // The default is another ledger than the one that was meant.
        file.ledger.url.clear();
    }
    file
}

/// The parts of a table that are usable by themselves.
fn pruned(table: &Table, is_usable: &dyn Fn(Table) -> bool) -> Table {
    let mut kept = Table::new();
    for (key, value) in table {
        let alone = |value: Value| Table::from_iter([(key.clone(), value)]);
        let fits = |value: &Value| is_usable(alone(value.clone()));
        let part = match value {
            value if fits(value) => value.clone(),
            Value::Table(inner) => {
                Value::Table(pruned(inner, &|inner| is_usable(alone(Value::Table(inner)))))
            }
            Value::Array(items) => {
                let fits = |item: Value| is_usable(alone(Value::Array(vec![item])));
                let usable = |item: &Value| match item {
                    Value::Table(item) => {
                        Some(Value::Table(pruned(item, &|part| fits(Value::Table(part)))))
                    }
                    item => fits(item.clone()).then(|| item.clone()),
                };
                Value::Array(items.iter().filter_map(usable).collect())
            }
            _ => continue,
        };
        // A list of which nothing is right is left out: an empty one would have a meaning of its own.
        if fits(&part) && part.as_array().is_none_or(|items| !items.is_empty()) {
            kept.insert(key.clone(), part);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Event;
    use crate::config::notify::Kind;

    const WATCHED: &str = "[monitor]\ntextfile = \"a.prom\"\n[ledger]\nurl = \"postgres://h/archive\"\n\
        [[notify]]\nkind = \"wecom\"\nurl_env = \"WECOM_URL\"\n";

    fn of(text: &str, variables: &[(&str, &str)]) -> ConfigFile {
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        salvaged(toml::from_str(text).unwrap(), &variables.collect())
    }

    fn kinds(file: &ConfigFile) -> Vec<Option<Kind>> {
        file.notify.iter().map(|section| section.kind).collect()
    }

    #[test]
    fn whatever_else_is_wrong_those_who_are_told_are_known() {
        for wrong in [
            "[store]\nbuckt = \"x\"\n",
            "[store]\nbucket = 5\n",
            "[stroe]\nbucket = \"x\"\n",
            "[quota]\nreserve = \"abc\"\n",
            "[run]\nsuccess = [\"fine\"]\n",
            "[[account]]\nappid = 5\n",
            "[account]\nappid = \"wx1\"\n",
            "[serve]\nlisten = []\n",
        ] {
            let file = of(&format!("{WATCHED}{wrong}"), &[]);
            assert_eq!(kinds(&file), [Some(Kind::Wecom)], "{wrong}");
            assert!(file.monitor.textfile.is_some(), "{wrong}");
            assert_eq!(file.ledger.url, "postgres://h/archive", "{wrong}");
        }
    }

    #[test]
    fn a_wrong_key_of_a_channel_or_a_monitor_is_left_out_alone() {
        let file = of(
            "[monitor]\nhealthchecks = \"x\"\ntextfile = \"a.prom\"\n[[notify]]\nkind = \"wechat\"\n\
             [[notify]]\nkind = \"mail\"\nto = [\"a@b.c\"]\non = [\"lots\"]\nlanguage = \"en\"\n",
            &[],
        );
        assert_eq!(kinds(&file), [None, Some(Kind::Mail)]);
        assert_eq!((file.notify[1].to.len(), &file.notify[1].on[..]), (1, &Event::USUAL[..]));
        assert!(file.monitor.textfile.is_some());
        let some = of("[[notify]]\nkind = \"mail\"\non = [\"lost\", \"lots\"]\n", &[]);
        assert_eq!(some.notify[0].on, [Event::Lost], "the right ones count");
        assert_eq!(kinds(&of("[notify]\nkind = \"wecom\"\n", &[])), [Some(Kind::Wecom)]);
    }

    #[test]
    fn variables_count_here_too_and_a_wrong_one_hides_no_other() {
        let file = of(
            "[store]\nbuckt = \"x\"\n",
            &[
                ("REPLAY_ARCHIVER_NOTIFY__0__KIND", "wecom"),
                ("REPLAY_ARCHIVER_NOTIFY__0__URL_ENV", "WECOM_URL"),
                ("REPLAY_ARCHIVER_TRANSFER__FILES", "many"),
                ("REPLAY_ARCHIVER_STORE__BUCKT", "x"),
            ],
        );
        assert_eq!(kinds(&file), [Some(Kind::Wecom)]);
        assert_eq!(file.notify[0].url_env.as_deref(), Some("WECOM_URL"));
    }

    #[test]
    fn no_other_ledger_is_used_than_the_one_that_was_meant() {
        assert_eq!(of("[ledger]\nurll = \"postgres://h/archive\"\n", &[]).ledger.url, "");
        assert_eq!(of("[ledger]\nurl = 5\n", &[]).ledger.url, "");
        assert!(of("[store]\nbuckt = \"x\"\n", &[]).ledger.url.starts_with("sqlite:"));
    }
}

//! What a hint says in Chinese: what the Chinese page about errors says to do about its code.

use crate::model::Reason;

const PAGE: &str = include_str!("../../docs/zh/troubleshooting.md");

/// What begins the line of an entry that says what to do.
const TO_DO: &str = "- 处理：";

/// A hint in Chinese, with its code; `None` for one without a code that the page knows.
pub fn chinese(hint: &str) -> Option<String> {
    let code = Reason::code(hint)?;
    let (_, entry) = PAGE.split_once(&format!("\n### {code}\n"))?;
    let entry = entry.split("\n### ").next()?;
    let (_, to_do) = entry.split_once(TO_DO)?;
    let to_do = to_do.lines().next().map(plain).filter(|to_do| !to_do.is_empty())?;
    // Some say to do what the hint says: paste this line, run that command.
    let english = hint.strip_suffix(&format!(" [{code}]")).filter(|_| to_do.contains("提示"));
    Some(match english {
        Some(english) => format!("{to_do}提示：{english} [{code}]"),
        None => format!("{to_do} [{code}]"),
    })
}

/// Text of the page without its marks; commands keep theirs.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.trim();
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        match link.split_once("](").and_then(|(name, more)| Some((name, more.split_once(')')?))) {
            Some((name, (_, after))) if !name.contains(['[', ']']) => {
                plain.push_str(name);
                rest = after;
            }
            _ => {
                plain.push('[');
                rest = link;
            }
        }
    }
    plain.push_str(rest);
    plain.replace("**", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_said_in_chinese_by_its_code() {
        let hint = "check the account's secret: it does not belong to this appid [RA202]";
        let said = chinese(hint).unwrap();
        assert!(
            said.starts_with("向保管人取得当前的 AppSecret") && said.ends_with(" [RA202]"),
            "{said}"
        );
        let line = chinese("add vod.example to [media] allow_hosts [RA501]").unwrap();
        assert!(line.ends_with("提示：add vod.example to [media] allow_hosts [RA501]"), "{line}");
        assert_eq!(chinese("look here"), None);
        assert_eq!(chinese("look here [RA000]"), None);
    }

    #[test]
    fn every_entry_says_in_one_line_what_to_do() {
        let codes = PAGE.split("\n### RA").skip(1).map(|entry| entry.split('\n').next().unwrap());
        let mut seen = 0;
        for code in codes {
            let said = chinese(&format!("x [RA{code}]")).unwrap_or_default();
            assert!(said.chars().count() > 10 && !said.contains("]("), "RA{code}: {said:?}");
            seen += 1;
        }
        assert!(seen > 60, "{seen}");
    }

    #[test]
    fn links_become_their_names() {
        assert_eq!(plain("见 [文档](a.md#b)，在 `[store]` 下写"), "见 文档，在 `[store]` 下写");
    }
}

//! As much of XML as S3 needs, written and, strictly, read.

/// A document under construction.
pub struct Element {
    out: String,
}

/// A document with the outer element `name`.
pub fn document(name: &str, fill: impl FnOnce(&mut Element)) -> String {
    let mut element = Element { out: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned() };
    let space =
        if name == "Error" { "" } else { " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"" };
    element.out.push_str(&format!("<{name}{space}>"));
    fill(&mut element);
    element.out.push_str(&format!("</{name}>"));
    element.out
}

impl Element {
    pub fn text(&mut self, name: &str, text: impl ToString) {
        self.out.push_str(&format!("<{name}>{}</{name}>", escape(&text.to_string())));
    }

    pub fn optional(&mut self, name: &str, text: Option<impl ToString>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    pub fn element(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.out.push_str(&format!("<{name}>"));
        fill(self);
        self.out.push_str(&format!("</{name}>"));
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn unescape(text: &str) -> Option<String> {
    let plain = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&apos;", "'");
    let plain = plain.replace("&amp;", "&");
    (!text.contains('<')).then_some(plain)
}

/// What is read: either text or elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Text(String),
    Elements(Vec<(String, Node)>),
}

/// Reads a document; `None` unless every element is closed and nothing follows the outer one.
pub fn parse(text: &str) -> Option<(String, Node)> {
    let text = text.trim();
    let text = match text.strip_prefix("<?xml") {
        Some(rest) => rest.split_once("?>")?.1.trim_start(),
        None => text,
    };
    let (name, node, rest) = element(text)?;
    rest.trim().is_empty().then_some((name, node))
}

/// Reads an element: its name, its content, what follows.
fn element(text: &str) -> Option<(String, Node, &str)> {
    let (tag, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    if let Some(empty) = tag.strip_suffix('/') {
        return Some((name_of(empty)?, Node::Text(String::new()), rest));
    }
    let name = name_of(tag)?;
    let close = format!("</{name}>");
    let inner = rest.trim_start();
    if !inner.starts_with('<') || inner.starts_with(&close) {
        let (content, rest) = rest.split_once(&close)?;
        return Some((name, Node::Text(unescape(content)?), rest));
    }
    let mut elements = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(&close) {
            return Some((name, Node::Elements(elements), after));
        }
        let (child, node, after) = element(rest)?;
        elements.push((child, node));
        rest = after;
    }
}

fn name_of(tag: &str) -> Option<String> {
    let name = tag.split_whitespace().next()?;
    name.chars().all(char::is_alphanumeric).then(|| name.to_owned())
}

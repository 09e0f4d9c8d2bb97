//! `${NAME}` and `${file:/path}` in the strings of the tree, after YAML is done with it: whatever a
//! variable holds, it can only ever become the text of that one string.

use std::{collections::BTreeMap, fs::File, io, io::Read, path::Path};

use super::{
    node::{Kind, Node, Position, Scalar, Value},
    trail::Trail,
};

/// Beyond this a file is not a secret but a mistake.
const LONGEST_FILE: u64 = 64 * 1024;

/// Whether a key says that its value is a secret.
type Names = fn(&str) -> bool;

pub(super) struct Substitution<'a> {
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    /// Where a relative `${file:…}` begins: beside the configuration.
    pub(super) folder: &'a Path,
    pub(super) mistakes: Vec<(Trail, Position, String)>,
    pub(super) warnings: Vec<(Trail, Position, String)>,
    /// What may not be shown, and what to say instead.
    pub(super) hidden: BTreeMap<String, String>,
}

impl<'a> Substitution<'a> {
    pub(super) fn new(env: &'a dyn Fn(&str) -> Option<String>, folder: &'a Path) -> Self {
        Substitution {
            env,
            folder,
            mistakes: Vec::new(),
            warnings: Vec::new(),
            hidden: BTreeMap::new(),
        }
    }

    /// Resolves the whole tree. What cannot be resolved is reported and patched.
    pub(super) fn resolve(&mut self, root: &mut Node) {
        let Value::Map(entries) = &mut root.value else { return };
        for entry in entries {
            // A target has none: a report's parameter may be called `key` and be empty.
            let names: Names = match entry.key.as_str() {
                "sources" | "connections" => names_a_secret,
                // Who knows the address can post to it.
                "channels" => |key| key == "url" || names_a_secret(key),
                _ => |_| false,
            };
            let trail = Trail::of(&[&entry.key]);
            self.walk(&mut entry.value, &trail, false, names);
        }
    }

    fn walk(&mut self, node: &mut Node, trail: &Trail, secret: bool, names: Names) {
        match &mut node.value {
            Value::Map(entries) => {
                for entry in entries {
                    let secret = names(&entry.key);
                    let trail = trail.key(&entry.key);
                    self.walk(&mut entry.value, &trail, secret, names);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.walk(item, &trail.index(index), secret, names);
                }
            }
            Value::Scalar(scalar) => {
                scalar.secret = secret;
                if let Err(what) = self.fill(scalar, trail, node.at) {
                    self.mistakes.push((trail.clone(), node.at, what));
                    node.value = Value::Patched;
                }
            }
            Value::Patched => {}
        }
    }

    fn fill(&mut self, scalar: &mut Scalar, trail: &Trail, at: Position) -> Result<(), String> {
        if scalar.kind == Kind::Text && scalar.text.contains("${") {
            self.expand(scalar)?;
        }
        if !scalar.secret || scalar.kind == Kind::Null {
            return Ok(());
        }
        let trimmed = scalar.text.trim();
        if trimmed.len() != scalar.text.len() {
            let what = format!("{} begins or ends with blanks; they are left out", scalar.shown());
            self.warnings.push((trail.clone(), at, what));
            scalar.text = trimmed.to_owned();
        }
        if scalar.text.is_empty() {
            let subject = if scalar.from.is_empty() { "it".to_owned() } else { scalar.shown() };
            return Err(format!("{subject} is empty; a secret needs a value"));
        }
        self.hide(&scalar.text, scalar.shown());
        Ok(())
    }

    fn expand(&mut self, scalar: &mut Scalar) -> Result<(), String> {
        let mut text = String::with_capacity(scalar.text.len());
        let mut rest = scalar.text.as_str();
        while let Some(dollar) = rest.find("${") {
            let (before, after) = (&rest[..dollar], &rest[dollar + 2..]);
            if let Some(before) = before.strip_suffix('$') {
                text += before;
                text += "${";
                rest = after;
                continue;
            }
            let end = after.find('}').ok_or(
                "a `${` without its `}`; close it, or write `$${` where the characters are meant",
            )?;
            let name = &after[..end];
            let value = self.look_up(name)?;
            text += before;
            text += &value;
            self.hide(&value, format!("${{{name}}}"));
            scalar.from.push(name.to_owned());
            rest = &after[end + 1..];
        }
        text += rest;
        scalar.text = text;
        if !scalar.from.is_empty() {
            self.hide(&scalar.text, scalar.shown());
        }
        Ok(())
    }

    /// The first way of putting it stands: a variable by itself is called by its name.
    fn hide(&mut self, value: &str, instead: String) {
        self.hidden.entry(value.to_owned()).or_insert(instead);
    }

    fn look_up(&self, name: &str) -> Result<String, String> {
        if let Some(path) = name.strip_prefix("file:") {
            return read(&self.folder.join(path))
                .map_err(|error| format!("the file of ${{{name}}} cannot be read: {error}"));
        }
        let initial = |c: char| c.is_ascii_alphabetic() || c == '_';
        if !name.starts_with(initial)
            || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return Err(format!(
                "`${{{}}}` is neither ${{NAME}} nor ${{file:/path}}; \
                 write `$${{` where the characters are meant",
                name.escape_debug()
            ));
        }
        (self.env)(name).ok_or_else(|| {
            format!(
                "${{{name}}}: the environment variable {name} is not set; set it, or remove the key"
            )
        })
    }
}

/// Editors and `echo` end a file with a newline that is no part of the secret: one is left out.
fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(LONGEST_FILE + 1).read_to_string(&mut text)?;
    if read as u64 > LONGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 kB"));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["token", "secret", "secrets", "password", "passphrase", "key"].iter().any(|word| {
        key.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    })
}

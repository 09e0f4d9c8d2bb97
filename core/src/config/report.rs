//! Collects every mistake of a file, puts each into words, and lets no value through that came from
//! a substitution or belongs to a secret.

use std::{path::PathBuf, sync::Arc};

use serde::de::DeserializeOwned;

use super::{
    mistake::{Mistake, Place, Warning},
    node::{Node, Position, Value, quoted},
    read::{ReadError, Reader, What},
    trail::{Step, Trail},
};

/// The file as read, substitutions resolved.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) file: PathBuf,
    pub(super) root: Node,
    pub(super) hidden: Hidden,
}

/// What may not be shown, and what to say instead; longest first.
#[derive(Default)]
pub(super) struct Hidden(Vec<(String, String)>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hidden(..)")
    }
}

impl Hidden {
    /// Shorter values would tear holes into ordinary words, and are kept out by the rule that a
    /// text never quotes a value that came from a substitution.
    const SHORTEST: usize = 4;

    pub(super) fn new(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut values: Vec<_> =
            values.into_iter().filter(|(value, _)| value.len() >= Self::SHORTEST).collect();
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Hidden(values)
    }

    pub(super) fn cleaned(&self, text: &str) -> String {
        let hide = |text: String, (value, instead): &(String, String)| {
            text.replace(value, instead)
                .replace(&value.escape_debug().to_string(), instead)
                .replace(value.trim(), instead)
        };
        self.0.iter().fold(text.to_owned(), hide)
    }
}

impl Tree {
    pub(super) fn place(&self, trail: &Trail) -> Place {
        self.placed(trail, trail.position(&self.root))
    }

    fn placed(&self, trail: &Trail, at: Position) -> Place {
        Place { file: self.file.clone(), line: at.line, column: at.column, key: trail.to_string() }
    }

    pub(super) fn mistake(&self, trail: &Trail, what: &str) -> Mistake {
        Mistake { place: self.place(trail), what: self.hidden.cleaned(what) }
    }
}

pub(super) struct Report {
    pub(super) tree: Arc<Tree>,
    found: Vec<(Trail, Mistake)>,
    pub(super) warnings: Vec<Warning>,
}

impl Report {
    pub(super) fn new(tree: Arc<Tree>) -> Self {
        Report { tree, found: Vec::new(), warnings: Vec::new() }
    }

    /// What follows from a mistake that is known already is no news.
    pub(super) fn covers(&self, trail: &Trail) -> bool {
        self.found.iter().any(|(known, _)| trail.0.starts_with(&known.0))
    }

    /// Whether there, or anywhere below, a mistake is known.
    pub(super) fn is_wrong(&self, trail: &Trail) -> bool {
        self.covers(trail) || self.found.iter().any(|(known, _)| known.0.starts_with(&trail.0))
    }

    /// The way to one of several, which may stand there by itself.
    pub(super) fn item(&self, trail: &Trail, index: usize) -> Trail {
        match trail.find(&self.tree.root).map(|node| &node.value) {
            Some(Value::Scalar(_)) => trail.clone(),
            Some(Value::List(_) | Value::Map(_) | Value::Patched) | None => trail.index(index),
        }
    }

    pub(super) fn add(&mut self, trail: &Trail, what: impl AsRef<str>) {
        self.add_at(trail, trail.position(&self.tree.root), what.as_ref());
    }

    /// For what is wrong with the key rather than with its value.
    pub(super) fn add_key(&mut self, trail: &Trail, what: impl AsRef<str>) {
        self.add_at(trail, trail.key_position(&self.tree.root), what.as_ref());
    }

    pub(super) fn add_at(&mut self, trail: &Trail, at: Position, what: &str) {
        if !self.covers(trail) {
            let place = self.tree.placed(trail, at);
            let what = self.tree.hidden.cleaned(what);
            self.found.push((trail.clone(), Mistake { place, what }));
        }
    }

    pub(super) fn warn(&mut self, trail: &Trail, what: &str) {
        let place = self.tree.place(trail);
        self.warnings.push(Warning { place, what: self.tree.hidden.cleaned(what) });
    }

    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.found.into_iter().map(|(_, mistake)| mistake).collect()
    }

    pub(super) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// How the value there is named in a text.
    pub(super) fn shown(&self, trail: &Trail) -> String {
        trail.find(&self.tree.root).map_or_else(|| "this value".to_owned(), Node::shown)
    }

    /// Reads a part of the tree into `T`, past every mistake in it: each is reported, taken out, and
    /// the rest is read again. None where too little is left to make a `T` of; where there were
    /// mistakes and still a `T`, it is fit for further checks and nothing else.
    pub(super) fn read_all<T: DeserializeOwned>(
        &mut self,
        node: &Node,
        base: &Trail,
        also_known: &[&str],
    ) -> Option<T> {
        // Every round takes something out, so this only guards against a type that reads oddly.
        const ROUNDS: usize = 500;
        let mut node = node.clone();
        let mut taken_out: Vec<Trail> = Vec::new();
        for _ in 0..ROUNDS {
            let error = match T::deserialize(Reader(&node)) {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            if let Some(patched) = patch_at(&node, &error.trail) {
                // The patch itself does not do: take it out altogether.
                unpatch(&mut node, &patched)?;
                taken_out.push(patched);
                continue;
            }
            if taken_out.iter().any(|trail| error.trail.0.starts_with(&trail.0)) {
                return None;
            }
            let trail = base.then(&error.trail);
            self.report(&node, &trail, &error, also_known);
            match error.what {
                What::UnknownKey { .. } => remove(&mut node, &error.trail)?,
                What::Missing
                | What::Unexpected { .. }
                | What::UnknownChoice { .. }
                | What::Other(_) => patch(&mut node, &error.trail)?,
            }
        }
        None
    }

    fn report(&mut self, node: &Node, trail: &Trail, error: &ReadError, also_known: &[&str]) {
        let there = error.trail.find(node);
        let found = || there.map_or_else(|| "nothing".to_owned(), Node::shown);
        match &error.what {
            What::UnknownKey { known } => {
                let depth_one = error.trail.0.len() == 1;
                let also = if depth_one { also_known } else { &[] };
                let known: Vec<&str> = known.iter().chain(also).copied().collect();
                let key = match trail.0.last() {
                    Some(Step::Key(key)) => key.as_str(),
                    Some(Step::Index(_)) | None => "",
                };
                self.add_key(
                    trail,
                    format!("there is no such key{}", choices(key, &known, "keys")),
                );
            }
            What::Missing => self.add(trail, "is missing"),
            What::Unexpected { expected } => {
                let hint = match there.and_then(Node::scalar) {
                    Some(scalar) if expected == "a list" && scalar.from.is_empty() => {
                        format!("; write `[{}]`", scalar.text.escape_debug())
                    }
                    Some(_) | None => String::new(),
                };
                let found = found();
                let hint = if found.starts_with('`') { hint } else { String::new() };
                self.add(trail, format!("expected {expected}, found {found}{hint}"));
            }
            What::UnknownChoice { known } => {
                let text = there.and_then(Node::scalar).filter(|scalar| scalar.may_be_shown());
                let near = nearest(text.map_or("", |scalar| scalar.text.as_str()), known);
                let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                let expected = known.join(", ");
                self.add(trail, format!("expected one of {expected}, found {}{near}", found()));
            }
            What::Other(message) => {
                let hidden = there.and_then(Node::scalar).filter(|scalar| !scalar.may_be_shown());
                match hidden {
                    None => self.add(trail, message),
                    Some(scalar) if quotes(message, &scalar.text) => {
                        self.add(trail, format!("{} cannot be used here", scalar.shown()));
                    }
                    Some(scalar) => self.add(trail, format!("{} {message}", scalar.shown())),
                }
            }
        }
    }
}

/// Whether a text written elsewhere repeats any part of a value, in whatever spelling.
fn quotes(text: &str, value: &str) -> bool {
    const PART: usize = 4;
    let (text, value) = (text.to_lowercase(), value.to_lowercase());
    let value: Vec<char> = value.chars().collect();
    let parts = value.windows(PART.min(value.len().max(1)));
    parts.into_iter().any(|part| text.contains(&String::from_iter(part)))
}

/// `; did you mean `x`? (targets: x, y)`, for a name that is none of them.
pub(super) fn choices(name: &str, known: &[&str], what: &str) -> String {
    const SHOWN: usize = 20;
    let near = nearest(name, known).map(|near| format!("; did you mean {}?", quoted(near)));
    let dots = if known.len() > SHOWN { ", …" } else { "" };
    let list = known.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    let list = if list.is_empty() { "there are none".to_owned() } else { list };
    format!("{} ({what}: {list}{dots})", near.unwrap_or_default())
}

/// The one that was likely meant: at most a third of its letters differ.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| strsim::osa_distance(&name.to_lowercase(), &known.to_lowercase());
    known
        .iter()
        .map(|&known| (distance(known), known))
        .filter(|(distance, known)| *distance * 3 <= known.chars().count().max(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The trail to the first patched node on the way, if there is one.
fn patch_at(root: &Node, trail: &Trail) -> Option<Trail> {
    (0..=trail.0.len())
        .map(|depth| Trail(trail.0[..depth].to_vec()))
        .find(|part| part.find(root).is_some_and(|node| matches!(node.value, Value::Patched)))
}

/// Takes out a patched node: a key by itself, a list's item with its whole list, so that the numbers
/// of the other items stay true. None where that would leave nothing.
fn unpatch(root: &mut Node, patched: &Trail) -> Option<()> {
    let (last, parent) = patched.0.split_last()?;
    match last {
        Step::Key(_) => remove(root, patched),
        Step::Index(_) => patch(root, &Trail(parent.to_vec())),
    }
}

fn remove(root: &mut Node, trail: &Trail) -> Option<()> {
    let (Step::Key(key), parent) = trail.0.split_last()? else { return None };
    if let Value::Map(entries) = &mut find_mut(root, parent)?.value {
        entries.retain(|entry| entry.key != *key);
    }
    Some(())
}

/// Puts a patch in place of what stands there, or where it is missing. None at the root: nothing
/// would be left to read.
fn patch(root: &mut Node, trail: &Trail) -> Option<()> {
    let (last, parent) = trail.0.split_last()?;
    let parent = find_mut(root, parent)?;
    let patched = Node { at: parent.at, value: Value::Patched };
    match (last, &mut parent.value) {
        (Step::Key(key), Value::Map(entries)) => {
            entries.retain(|entry| entry.key != *key);
            entries.push(super::node::Entry { key: key.clone(), at: patched.at, value: patched });
        }
        (Step::Index(index), Value::List(items)) => *items.get_mut(*index)? = patched,
        (Step::Key(_) | Step::Index(_), _) => return None,
    }
    Some(())
}

fn find_mut<'a>(root: &'a mut Node, trail: &[Step]) -> Option<&'a mut Node> {
    trail.iter().try_fold(root, |node, step| match (step, &mut node.value) {
        (Step::Key(key), Value::Map(entries)) => {
            entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
        }
        (Step::Index(index), Value::List(items)) => items.get_mut(*index),
        (Step::Key(_) | Step::Index(_), _) => None,
    })
}

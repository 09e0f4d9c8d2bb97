//! By what a term picks nodes: dbt's methods (`tag:`, `path:`), of which the name is the default.

use wildmatch::WildMatch;

use super::fqn::Fqn;
use super::path::Path;
use crate::artifact::{Graph, Kind, View};
use crate::config::choices;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Method {
    Fqn(Fqn),
    Tag(WildMatch),
    Path(Path),
    /// The name of the file alone.
    File(WildMatch),
    Package(WildMatch),
    /// The project itself, which a pattern cannot name.
    ThisPackage,
    Source {
        package: WildMatch,
        source: WildMatch,
        table: WildMatch,
    },
    ResourceType(Kind),
    /// A name of one kind of node: `exposure:sales`, `metric:shop.revenue`.
    Named {
        kind: Kind,
        package: WildMatch,
        name: WildMatch,
    },
}

const METHODS: [&str; 12] = [
    "fqn",
    "tag",
    "path",
    "file",
    "package",
    "source",
    "resource_type",
    "exposure",
    "metric",
    "semantic_model",
    "saved_query",
    "unit_test",
];

/// Methods of dbt that look at what is not kept of a manifest, or at another one.
const NOT_HERE: [&str; 10] = [
    "access",
    "config",
    "group",
    "result",
    "selector",
    "source_status",
    "state",
    "test_name",
    "test_type",
    "version",
];

impl Method {
    /// Reads a term without its operators.
    pub(super) fn parse(text: &str) -> Result<Method, String> {
        let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        match text.split_once(':') {
            Some((method, value)) if !method.is_empty() && method.chars().all(is_word) => {
                if value.is_empty() && METHODS.contains(&method) {
                    return Err(format!("`{method}:` is followed by nothing"));
                }
                Self::named(method, value)
            }
            _ => Self::by_default(text),
        }
    }

    fn by_default(text: &str) -> Result<Method, String> {
        let lower = text.to_lowercase();
        if text.is_empty() {
            Err("the operator stands by itself, without a name".into())
        } else if text.contains('/') {
            Path::parse(text).map(Method::Path)
        } else if [".sql", ".py", ".csv"].iter().any(|end| lower.ends_with(end)) {
            pattern(text).map(Method::File)
        } else {
            Fqn::parse(text).map(Method::Fqn)
        }
    }

    fn named(method: &str, value: &str) -> Result<Method, String> {
        let parts: Vec<&str> = value.split('.').collect();
        match (method, parts.as_slice()) {
            ("fqn", _) => Fqn::parse(value).map(Method::Fqn),
            ("tag", _) => pattern(value).map(Method::Tag),
            ("path", _) => Path::parse(value).map(Method::Path),
            ("file", _) => pattern(value).map(Method::File),
            ("package", ["this"]) => Ok(Method::ThisPackage),
            ("package", _) => pattern(value).map(Method::Package),
            ("source", [source]) => Self::source("*", source, "*"),
            ("source", [source, table]) => Self::source("*", source, table),
            ("source", [package, source, table]) => Self::source(package, source, table),
            ("source", _) => {
                Err("a source is `source`, `source.table` or `package.source.table`".into())
            }
            ("resource_type", _) => {
                Kind::of_resource_type(value).map(Method::ResourceType).ok_or_else(|| {
                    let known = choices(value, &Kind::resource_types(), "types");
                    format!("there is no resource type `{value}`{known}")
                })
            }
            ("exposure" | "metric" | "semantic_model" | "saved_query" | "unit_test", parts) => {
                let (package, name) = match parts {
                    [name] => ("*", *name),
                    [package, name] => (*package, *name),
                    _ => return Err("it is named by `name` or `package.name`".into()),
                };
                let kind = Kind::of_resource_type(method).unwrap_or(Kind::Other);
                Ok(Method::Named { kind, package: pattern(package)?, name: pattern(name)? })
            }
            _ => Err(unknown(method)),
        }
    }

    fn source(package: &str, source: &str, table: &str) -> Result<Method, String> {
        Ok(Method::Source {
            package: pattern(package)?,
            source: pattern(source)?,
            table: pattern(table)?,
        })
    }

    pub(super) fn picks(&self, graph: &Graph, node: View<'_>) -> bool {
        match self {
            Method::Fqn(fqn) => fqn.picks(node),
            Method::Tag(tag) => node.tags().any(|given| tag.matches(given)),
            Method::Path(path) => {
                path.holds(node.path()) || node.described_in().is_some_and(|file| path.is(file))
            }
            Method::File(name) => {
                node.path().rsplit(['/', '\\']).next().is_some_and(|file| name.matches(file))
            }
            Method::Package(package) => package.matches(node.package()),
            Method::ThisPackage => graph.project() == Some(node.package()),
            Method::Source { package, source, table } => {
                node.source().is_some_and(|given| source.matches(given))
                    && package.matches(node.package())
                    && table.matches(node.name())
            }
            Method::ResourceType(kind) => node.kind() == *kind,
            Method::Named { kind, package, name } => {
                node.kind() == *kind && package.matches(node.package()) && name.matches(node.name())
            }
        }
    }
}

fn unknown(method: &str) -> String {
    // `config.materialized` is the method `config` and an argument.
    let name = method.split('.').next().unwrap_or(method);
    if NOT_HERE.contains(&name) {
        let known = METHODS.join(", ");
        return format!("afterrun cannot select by dbt's `{name}:` (it can by: {known})");
    }
    format!("there is no method `{method}:`{}", choices(method, &METHODS, "methods"))
}

/// A pattern in which `*` and `?` are wildcards, as in dbt's.
pub(super) fn pattern(text: &str) -> Result<WildMatch, String> {
    if text.contains(['[', ']']) {
        return Err("`[` and `]` are not understood; use `*` or `?`".into());
    }
    Ok(WildMatch::new(text))
}

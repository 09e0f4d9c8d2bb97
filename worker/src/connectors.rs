//! The list of connectors: one word each.
//!
//! The word is the file under `connectors/` and the `KIND` of the `Connector` in it. The macro
//! makes the module, the entry in `registry()`, and under test the entry in the contract suite.
//! (`cargo fmt` does not follow a module that a macro makes: the checks format these files by
//! name.)

use crate::connector::{Kind, Registered};

macro_rules! connectors {
    ($($module:ident),* $(,)?) => {
        $(mod $module;)*

        /// Every kind of tool there is.
        pub fn registry() -> Vec<Box<dyn Kind>> {
            vec![$(Box::new(Registered::<$module::Tool>::new())),*]
        }

        /// What the contract suite needs to know of each.
        #[cfg(test)]
        async fn tools() -> Vec<Box<dyn contract::Contract>> {
            vec![$(Box::new($module::tests::contract().await)),*]
        }
    };
}

connectors![dbt, mode, tableau];

#[cfg(test)]
mod configured;
#[cfg(test)]
mod contract;

/// The suite runs over each tool, and over targets that are another kind of thing there.
#[cfg(test)]
async fn contracts() -> Vec<Box<dyn contract::Contract>> {
    let mut contracts = tools().await;
    contracts.push(Box::new(mode::tests::contract_of_a_dataset().await));
    contracts.push(Box::new(tableau::tests::contract_of_a_flow().await));
    contracts.push(Box::new(tableau::tests::contract_of_a_task().await));
    contracts
}

/// The connector of that kind.
pub fn kind(name: &str) -> Option<Box<dyn Kind>> {
    registry().into_iter().find(|kind| kind.name() == name)
}

/// Says which kinds there are, for whoever named one that there is not.
pub fn kinds() -> String {
    registry().iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

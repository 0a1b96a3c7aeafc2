//! Technical services: as a request names them, and as they are in force.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an argument of a technical service is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ServiceValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// A text.
    Text(String),
    /// Texts.
    List(Vec<String>),
}

/// A technical service that a job names: what is not the program's own business. `outlast services` lists
/// them with their arguments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceBlock {
    /// Its name.
    pub class: String,
    /// Its arguments; what is absent is as by default.
    pub args: BTreeMap<String, ServiceValue>,
    /// Where arguments were written, for messages: `scene.toml:12:5`, or a flag. Under `class`: where the service
    /// was named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, String>,
}

/// A technical service that acts on a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceInForce {
    /// Its name.
    pub class: String,
    /// What holds, in the order in which one reads it.
    pub settings: Vec<ServiceSetting>,
}

/// Something that holds for a job because of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceSetting {
    /// What it is called: an argument's name, mostly.
    pub name: String,
    /// Its value, for people.
    pub value: String,
    /// Where that was said: `scene.toml:12:5`, a flag; empty: it is so by default.
    pub from: String,
}

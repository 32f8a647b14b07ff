//! A value that may be written as a number or as a text.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// A number or a text, kept as it was written; what it means is for [`crate::convert`] to say.
///
/// `capacity: 20000000` and `capacity: 20M` are both right, as they are in any Kubernetes quantity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct IntOrText(pub String);

impl From<&str> for IntOrText {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for IntOrText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AsWritten)
    }
}

struct AsWritten;

impl de::Visitor<'_> for AsWritten {
    type Value = IntOrText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text such as 300M")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<IntOrText, E> {
        Ok(IntOrText(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<IntOrText, E> {
        Ok(IntOrText(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<IntOrText, E> {
        Ok(IntOrText(number.to_string()))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<IntOrText, E> {
        Ok(IntOrText(number.to_string()))
    }
}

impl JsonSchema for IntOrText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "IntOrText".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-int-or-string": true })
    }
}

//! Typed ids and names: the labels by which clients and rooms speak of things.
//!
//! An id is a prefix that tells the kind (`job_`) and a UUIDv7 in 32 hexadecimal digits, so that ids of one kind sort by
//! the time of their making, as text too. A name is a label that a client chose. Neither ever becomes part of a path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Tells why a text is not an id or not a name; the message is fit for a client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text lacks the prefix of the kind that was asked for.
    #[error("an id of a {kind} begins with \"{prefix}\", got \"{got}\"")]
    Prefix {
        /// What the id would name.
        kind: &'static str,
        /// The prefix that such ids have.
        prefix: &'static str,
        /// The text, cut to a length fit for a message.
        got: String,
    },
    /// What follows the prefix is not 32 lower-case hexadecimal digits of a UUIDv7.
    #[error("an id of a {kind} is \"{prefix}\" and 32 hexadecimal digits as the server gave them, got \"{got}\"")]
    Digits {
        /// What the id would name.
        kind: &'static str,
        /// The prefix that such ids have.
        prefix: &'static str,
        /// The text, cut to a length fit for a message.
        got: String,
    },
    /// The text is not a label.
    #[error("a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -, got \"{got}\"")]
    Name {
        /// The text, cut to a length fit for a message.
        got: String,
    },
}

/// Cuts a foreign text to what a message can bear.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(MOST).collect();
    cut.push('…');
    cut
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What stands before the digits.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id that sorts after every id this process made before.
            #[allow(clippy::new_without_default, reason = "a default that differs at each call would mislead")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0.as_simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let Some(digits) = text.strip_prefix($prefix) else {
                    return Err(ParseError::Prefix { kind: $kind, prefix: $prefix, got: shown(text) });
                };
                let wrong = || ParseError::Digits { kind: $kind, prefix: $prefix, got: shown(text) };
                // One spelling an id: what the parser of the crate also takes (hyphens, braces, capitals) is refused.
                let plain = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !plain {
                    return Err(wrong());
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| wrong())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// Names an uploaded dataset.
    DatasetId, "ds_", "dataset";
    /// Names a job.
    JobId, "job_", "job";
    /// Names an autotrain run.
    AutotrainId, "auto_", "autotrain run";
    /// Names a stored checkpoint of a job.
    CheckpointId, "ckpt_", "checkpoint";
    /// Names the report of a check.
    CheckId, "chk_", "check";
    /// Names a sweep.
    SweepId, "swp_", "sweep";
    /// Names uploaded weights.
    WeightsId, "wts_", "weights file";
    /// Names an API key (never the secret itself).
    KeyId, "key_", "key";
}

/// Holds a label that a client chose: `[A-Za-z0-9._-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Gives the label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes a label of any text, such as a file's name: what is not allowed becomes `-`, and at most 64 characters stay.
    ///
    /// An empty text gives `None`.
    pub fn from_loose(text: &str) -> Option<Self> {
        let label: String = text
            .chars()
            .take(64)
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' })
            .collect();
        (!label.is_empty()).then_some(Self(label))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::Name { got: shown(text) })
        }
    }
}

impl TryFrom<String> for Name {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_the_time_of_their_making() {
        let ids: Vec<JobId> = (0..1000).map(|_| JobId::new()).collect();
        assert!(ids.is_sorted());
        let texts: Vec<String> = ids.iter().map(JobId::to_string).collect();
        assert!(texts.is_sorted());
    }

    #[test]
    fn an_id_comes_back_from_its_text_and_its_json() {
        let id = CheckpointId::new();
        assert_eq!(id.to_string().parse::<CheckpointId>(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<CheckpointId>(&json).unwrap(), id);
    }

    #[test]
    fn an_id_of_another_kind_is_refused_with_the_prefix_that_was_wanted() {
        let error = DatasetId::new().to_string().parse::<JobId>().unwrap_err();
        assert!(error.to_string().contains("begins with \"job_\""), "{error}");
        assert!("job_".parse::<JobId>().is_err());
        assert!("job_01890a5d-ac96-774b-bcce-b302099a8057".parse::<JobId>().is_err());
        assert!("job_01890A5DAC96774BBCCEB302099A8057".parse::<JobId>().is_err());
    }

    #[test]
    fn a_name_is_a_label_and_nothing_else() {
        for good in ["iris", "a", "A.b_c-9", &"x".repeat(64)] {
            assert_eq!(good.parse::<Name>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "a/b", &"x".repeat(65)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        assert_eq!(Name::from_loose("My file (1).csv").unwrap().as_str(), "My-file--1-.csv");
    }
}

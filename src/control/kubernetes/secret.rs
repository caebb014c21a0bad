//! Secret and ConfigMap. The data of a Secret is decoded, and shown nowhere.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;

use crate::control::yaml::Located;

/// A Secret.
#[derive(Clone, Default, PartialEq)]
pub struct Secret {
    /// Its `type`; empty if absent.
    pub kind: String,
    /// `data` decoded, `stringData` over it; an entry that cannot be decoded says why. The place is that of the whole
    /// mapping, because a report prints the line, and the line of the entry holds what it holds.
    pub data: BTreeMap<String, Located<Result<Bytes, String>>>,
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigMap {
    /// Its `data`.
    pub data: BTreeMap<String, String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("kind", &self.kind).field("keys", &self.data.keys()).finish_non_exhaustive()
    }
}

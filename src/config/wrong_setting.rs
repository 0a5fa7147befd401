//! The error of a setting that cannot be used.

use std::borrow::Cow;

/// Why a setting cannot be used: a sentence that names the setting, and not its value, which may be
/// secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WrongSetting(Cow<'static, str>);

impl WrongSetting {
    pub fn new(sentence: impl Into<Cow<'static, str>>) -> Self {
        Self(sentence.into())
    }
}

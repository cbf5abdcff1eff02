//! People, businesses and grants through the handle of a running sandbox.

use secrecy::SecretString;

use super::Sandbox;
use crate::control::{BusinessChange, ControlError, GrantView, PersonChange};

impl Sandbox {
    /// Lets a person or system user change a password, remove an app, log in, and more. Gives the
    /// authorization code if `authorize` was asked for. Unlike the control call it leaves telling the
    /// app of its removal to [`Sandbox::deauthorize`].
    pub fn change_person(&self, id: &str, change: PersonChange) -> Result<Option<SecretString>, ControlError> {
        self.core.change_person(id, change)
    }

    /// Changes a business: its name, the state of its verification.
    pub fn change_business(&self, id: &str, change: BusinessChange) -> Result<(), ControlError> {
        self.core.change_business(id, change)
    }

    /// What people and system users authorized apps to do.
    pub fn grants(&self) -> Vec<GrantView> {
        self.core.grants()
    }
}

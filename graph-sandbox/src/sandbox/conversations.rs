//! Conversations through the handle of a running sandbox.

use super::Sandbox;
use crate::control::{ControlError, CustomerMessage, RoleNotice, RoutingChange, ThreadAct, ThreadChange, Written};

impl Sandbox {
    /// A person writes to a page.
    pub fn customer_writes(&self, page: &str, message: CustomerMessage) -> Result<Written, ControlError> {
        self.core.customer_writes(page, message)
    }

    /// A person writes to a page while another app owns the thread.
    pub fn customer_writes_beside(&self, page: &str, message: CustomerMessage) -> Result<Written, ControlError> {
        self.core.customer_writes_beside(page, message)
    }

    /// Staff answers. The inbox takes the thread for it while routing is on; another app must
    /// be allowed to write.
    pub fn staff_writes(&self, page: &str, act: &ThreadAct) -> Result<Written, ControlError> {
        self.core.staff_writes(page, act)
    }

    /// An app passes a thread; the rules hold as for Graph calls.
    pub fn pass_thread(&self, page: &str, act: &ThreadAct) -> Result<(), ControlError> {
        self.core.pass_thread(page, act)
    }

    /// An app takes a thread; the rules hold as for Graph calls.
    pub fn take_thread(&self, page: &str, act: &ThreadAct) -> Result<(), ControlError> {
        self.core.take_thread(page, act)
    }

    /// An app releases a thread; the rules hold as for Graph calls.
    pub fn release_thread(&self, page: &str, act: &ThreadAct) -> Result<(), ControlError> {
        self.core.release_thread(page, act)
    }

    /// A person changes routing in the page's settings.
    pub fn change_routing(&self, page: &str, change: RoutingChange) -> Result<(), ControlError> {
        self.core.change_routing(page, change)
    }

    /// Tells an app its role on a page; the routing stays as it is.
    pub fn tell_role(&self, page: &str, notice: &RoleNotice) -> Result<(), ControlError> {
        self.core.tell_role(page, notice)
    }

    /// Changes a thread: whether messages reach the person, when they last wrote.
    pub fn change_thread(&self, page: &str, psid: &str, change: &ThreadChange) -> Result<(), ControlError> {
        self.core.change_thread(page, psid, change)
    }
}

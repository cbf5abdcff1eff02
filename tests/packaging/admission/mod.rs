//! What the API server refuses by the policies of the admin chart: to people with the cluster's own roles, and to operators
//! with the Roles of their charts.

mod claims;
mod deletion;
mod fields;
mod grantors;
mod inbound;
mod proof;
mod release;
mod reroute;
mod rights;
mod secrets;
mod transfer;

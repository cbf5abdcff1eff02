//! Leader election; the only file that names the crate behind it.

use k8s_controller::LeaderElection;
use kube::Client;

/// Where and as whom to stand for election.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Unique name of this instance, the pod's.
    pub identity: String,
}

/// Waits for the lease, runs `work` while holding it, and releases it when `work` is done.
///
/// `None` means that the lease was lost: the process must end, since spawned tasks outlive the dropped work.
pub async fn lead<T>(client: Client, candidate: &Candidate, work: impl Future<Output = T>) -> Option<T> {
    LeaderElection::new(client, &candidate.namespace, &candidate.lease, &candidate.identity).with_lease(work).await
}

//! Looks at the processes that something started.

use std::fs;

/// A process and all that descend from it.
pub fn family(first: u32) -> std::io::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?.path();
        let Some(pid) = entry.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.join("stat")).unwrap_or_default();
        // After the name, which may hold anything: state and parent.
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut family = vec![first];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(parents.iter().filter(|it| it.1 == parent).map(|it| it.0));
        at += 1;
    }
    Ok(family)
}

//! Which node a connection leads to: the primary, a replica, or a Redis in cluster mode.

use redis::Value;

/// What a node says of itself in `INFO`; unknown where a user may not ask, or a server does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Node {
    role: Option<Role>,
    is_link_down: bool,
    pub(super) is_cluster: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Primary,
    Replica,
}

impl Node {
    /// What a reply to `INFO` says; `None` where the server refuses.
    pub(super) fn of_reply(reply: Value) -> Option<Self> {
        text(reply).map(|text| Self::parse(&text))
    }

    /// Parses the text of `INFO`, or a part of it.
    pub(super) fn parse(info: &str) -> Self {
        let field = |name: &str| field(info, name);
        let role = match field("role") {
            Some("master") => Some(Role::Primary),
            Some("slave" | "replica") => Some(Role::Replica),
            _ => None,
        };
        Self {
            role,
            is_link_down: field("master_link_status") == Some("down"),
            is_cluster: field("redis_mode") == Some("cluster") || field("cluster_enabled") == Some("1"),
        }
    }
}

/// The text of a reply to `INFO`.
pub(super) fn text(reply: Value) -> Option<String> {
    match reply {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

/// The value of a line of `INFO`.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Follows whether the address leads to the node that is meant. A replica may be meant, but not where a primary was.
#[derive(Debug, Default)]
pub(super) struct NodeWatch {
    expects_primary: bool,
    /// Refusals of our own writes in a row.
    read_only: u32,
}

/// Refused writes in a row that make a new connection worth while; then twice as many, and so on.
const READ_ONLY: u32 = 3;

impl NodeWatch {
    /// `expects_primary`: the address is that of sentinels, which name the primary.
    pub(super) fn new(expects_primary: bool) -> Self {
        Self { expects_primary, read_only: 0 }
    }

    /// What is wrong with a node that is read from.
    pub(super) fn observe(&mut self, node: Node) -> Option<&'static str> {
        match node.role? {
            Role::Primary => {
                self.expects_primary = true;
                None
            }
            Role::Replica if node.is_link_down => {
                Some("a replica that has lost its primary: what it holds no longer changes")
            }
            Role::Replica if self.expects_primary => Some("a replica, where the primary was"),
            Role::Replica => None,
        }
    }

    /// Takes the outcome of our own write; whether to connect anew, by name: a failover may have left the connection on a
    /// node that was demoted.
    pub(super) fn wrote(&mut self, is_read_only: bool) -> bool {
        self.read_only = if is_read_only { self.read_only.saturating_add(1) } else { 0 };
        self.read_only.is_multiple_of(READ_ONLY) && (self.read_only / READ_ONLY).is_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "# Replication\r\nrole:master\r\nconnected_slaves:1\r\n";
    const REPLICA: &str = "role:slave\r\nmaster_host:b\r\nmaster_link_status:up\r\n";
    const LOST: &str = "role:slave\r\nmaster_link_status:down\r\n";

    #[test]
    fn a_replica_is_wrong_where_a_primary_was_or_if_it_lost_its_own() {
        for (expects_primary, infos, is_wrong) in [
            (false, &[PRIMARY, PRIMARY][..], false),
            (false, &[REPLICA, REPLICA], false),
            (false, &[REPLICA, LOST], true),
            (false, &[PRIMARY, REPLICA], true),
            (false, &[REPLICA, PRIMARY], false),
            (true, &[REPLICA], true),
            (true, &[""], false),
        ] {
            let mut watch = NodeWatch::new(expects_primary);
            let last = infos.iter().map(|info| watch.observe(Node::parse(info))).last();
            assert_eq!(last.unwrap().is_some(), is_wrong, "{expects_primary} {infos:?}");
        }
    }

    #[test]
    fn a_cluster_is_recognised_by_either_field() {
        for (info, is_cluster) in [
            ("redis_version:7.0.0\r\nredis_mode:cluster\r\n", true),
            ("# Cluster\r\ncluster_enabled:1\r\n", true),
            ("redis_mode:standalone\r\ncluster_enabled:0\r\n", false),
            ("redis_mode:sentinel\r\n", false),
            ("", false),
        ] {
            assert_eq!(Node::parse(info).is_cluster, is_cluster, "{info:?}");
        }
    }

    #[test]
    fn refused_writes_make_new_connections_ever_more_seldom() {
        let mut watch = NodeWatch::default();
        let anew: Vec<u32> = (1..=24).filter(|_| watch.wrote(true)).collect();
        assert_eq!(anew.len(), 4);
        assert!(!watch.wrote(false) && !watch.wrote(true) && !watch.wrote(true) && watch.wrote(true));
    }
}

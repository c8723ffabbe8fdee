//! Old and new names of the OpenTelemetry semantic conventions: a search for one finds all.
//!
//! Only renames are listed, from the conventions' own schema (1.40) and their registry of deprecated names. Where the
//! meaning or the values changed with the name the two stay apart: `net.transport` said `ip_tcp` where
//! `network.transport` says `tcp`, and `rpc.grpc.status_code` is a number where `rpc.response.status_code` is a name.

use std::borrow::Cow;

/// Names of one thing, the current one first. A name can stand in several rows: an old one that became one of two,
/// or a new one that two became; what stands beside it in one row need not mean what it means in another.
const SAME: &[&[&str]] = &[
    // Android, iOS, Azure, browsers
    &["android.app.state", "android.state"],
    &["ios.app.state", "ios.state"],
    &["azure.resource_provider.namespace", "az.namespace"],
    &["azure.service.request.id", "az.service_request_id"],
    &["user_agent.original", "http.user_agent", "browser.user_agent"],
    // Code, threads, processes
    &["code.column.number", "code.column"],
    &["code.file.path", "code.filepath"],
    &["code.function.name", "code.function"],
    &["code.line.number", "code.lineno"],
    &["jvm.thread.daemon", "thread.daemon"],
    &["process.context_switch.type", "process.context_switch_type"],
    &["process.executable.build_id.htlhash", "process.executable.build_id.profiling"],
    &["process.state", "system.process.status", "system.processes.status"],
    &["system.paging.fault.type", "process.paging.fault_type", "system.paging.type"],
    &["cpu.logical_number", "system.cpu.logical_number"],
    &["cpu.mode", "system.cpu.state"],
    &["cpu.mode", "process.cpu.state"],
    &["cpu.mode", "container.cpu.state"],
    &["network.connection.state", "system.network.state"],
    &["network.io.direction", "system.network.io.direction", "system.network.direction"],
    &["disk.io.direction", "system.disk.io.direction", "system.disk.direction"],
    &["network.interface.name", "system.device"],
    &["system.memory.linux.slab.state", "linux.memory.slab.state"],
    // Clouds, containers, deployments, functions
    &["cloud.resource_id", "faas.id"],
    &["container.runtime.name", "container.runtime"],
    &["deployment.environment.name", "deployment.environment"],
    &["faas.invocation_id", "faas.execution"],
    &["otel.scope.name", "otel.library.name"],
    &["otel.scope.version", "otel.library.version"],
    &["service.peer.name", "peer.service"],
    &["telemetry.distro.version", "telemetry.auto.version"],
    // Databases
    &["azure.client.id", "db.cosmosdb.client_id"],
    &["azure.cosmosdb.connection.mode", "db.cosmosdb.connection_mode"],
    &["azure.cosmosdb.consistency.level", "db.cosmosdb.consistency_level"],
    &["azure.cosmosdb.operation.contacted_regions", "db.cosmosdb.regions_contacted"],
    &["azure.cosmosdb.operation.request_charge", "db.cosmosdb.request_charge"],
    &["azure.cosmosdb.request.body.size", "db.cosmosdb.request_content_length"],
    &["azure.cosmosdb.response.sub_status_code", "db.cosmosdb.sub_status_code"],
    &["cassandra.consistency.level", "db.cassandra.consistency_level"],
    &["cassandra.coordinator.dc", "db.cassandra.coordinator.dc"],
    &["cassandra.coordinator.id", "db.cassandra.coordinator.id"],
    &["cassandra.page.size", "db.cassandra.page_size"],
    &["cassandra.query.idempotent", "db.cassandra.idempotence"],
    &["cassandra.speculative_execution.count", "db.cassandra.speculative_execution_count"],
    &["db.client.connection.pool.name", "db.client.connections.pool.name"],
    &["db.client.connection.state", "db.client.connections.state"],
    &["db.collection.name", "db.cassandra.table"],
    &["db.collection.name", "db.cosmosdb.container"],
    &["db.collection.name", "db.mongodb.collection"],
    &["db.collection.name", "db.sql.table"],
    &["db.namespace", "db.name", "db.cassandra.keyspace", "db.hbase.namespace"],
    &["db.namespace", "db.elasticsearch.cluster.name"],
    &["db.namespace", "db.redis.database_index"],
    &["db.operation.name", "db.operation"],
    &["db.query.text", "db.statement"],
    &["db.system.name", "db.system"],
    &["elasticsearch.node.name", "db.elasticsearch.node.name"],
    // Feature flags, generative models
    &["feature_flag.error.message", "feature_flag.evaluation.error.message"],
    &["feature_flag.provider.name", "feature_flag.provider_name"],
    &["feature_flag.result.reason", "feature_flag.evaluation.reason"],
    &["feature_flag.result.variant", "feature_flag.variant"],
    &["gen_ai.provider.name", "gen_ai.system"],
    &["gen_ai.request.seed", "gen_ai.openai.request.seed"],
    &["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"],
    &["gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"],
    &["openai.request.service_tier", "gen_ai.openai.request.service_tier"],
    &["openai.response.service_tier", "gen_ai.openai.response.service_tier"],
    &["openai.response.system_fingerprint", "gen_ai.openai.response.system_fingerprint"],
    // HTTP, URLs, users
    &["client.address", "http.client_ip"],
    &["http.request.body.size", "http.request_content_length"],
    &["http.request.body.size", "http.request_content_length_uncompressed"],
    &["http.request.method", "http.method"],
    &["http.request.resend_count", "http.resend_count", "http.retry_count"],
    &["http.response.body.size", "http.response_content_length"],
    &["http.response.body.size", "http.response_content_length_uncompressed"],
    &["http.response.status_code", "http.status_code"],
    &["url.full", "http.url"],
    &["url.path", "http.target"],
    &["url.scheme", "http.scheme"],
    &["user.id", "enduser.id"],
    &["user.roles", "enduser.role"],
    // Messages
    &[
        "messaging.client.id",
        "messaging.client_id",
        "messaging.kafka.client_id",
        "messaging.rocketmq.client_id",
    ],
    &["messaging.consumer.group.name", "messaging.eventhubs.consumer.group"],
    &["messaging.consumer.group.name", "messaging.kafka.consumer.group", "messaging.kafka.consumer_group"],
    &["messaging.consumer.group.name", "messaging.rocketmq.client_group"],
    &[
        "messaging.destination.partition.id",
        "messaging.kafka.destination.partition",
        "messaging.kafka.partition",
    ],
    &["messaging.destination.name", "messaging.destination"],
    &["messaging.destination.subscription.name", "messaging.servicebus.destination.subscription_name"],
    &["messaging.destination.temporary", "messaging.temp_destination"],
    &["messaging.kafka.message.key", "messaging.kafka.message_key"],
    &["messaging.kafka.message.tombstone", "messaging.kafka.tombstone"],
    &["messaging.kafka.offset", "messaging.kafka.message.offset"],
    &[
        "messaging.message.body.size",
        "messaging.message.payload_size_bytes",
        "messaging.message_payload_size_bytes",
    ],
    &["messaging.message.conversation_id", "messaging.conversation_id"],
    &["messaging.message.id", "messaging.message_id"],
    &["messaging.operation.type", "messaging.operation"],
    &["messaging.rabbitmq.destination.routing_key", "messaging.rabbitmq.routing_key"],
    &["messaging.rocketmq.message.keys", "messaging.rocketmq.message_keys"],
    &["messaging.rocketmq.message.tag", "messaging.rocketmq.message_tag"],
    &["messaging.rocketmq.message.type", "messaging.rocketmq.message_type"],
    // Networks: the other side of a span of kind client is the server, of kind server the client.
    &["client.address", "net.peer.name"],
    &["client.port", "net.peer.port"],
    &["network.carrier.icc", "net.host.carrier.icc"],
    &["network.carrier.mcc", "net.host.carrier.mcc"],
    &["network.carrier.mnc", "net.host.carrier.mnc"],
    &["network.carrier.name", "net.host.carrier.name"],
    &["network.connection.subtype", "net.host.connection.subtype"],
    &["network.connection.type", "net.host.connection.type"],
    &["network.local.address", "net.sock.host.addr", "net.host.ip"],
    &["network.local.port", "net.sock.host.port"],
    &["network.peer.address", "net.sock.peer.addr", "net.peer.ip"],
    &["network.peer.port", "net.sock.peer.port"],
    &["network.protocol.name", "net.protocol.name", "net.app.protocol.name", "messaging.protocol"],
    &[
        "network.protocol.version",
        "net.protocol.version",
        "net.app.protocol.version",
        "messaging.protocol_version",
    ],
    &["network.protocol.version", "http.flavor"],
    &["server.address", "http.server_name"],
    &["server.address", "net.host.name"],
    &["server.address", "net.peer.name"],
    &["server.address", "tls.client.server_name"],
    &["server.port", "net.host.port"],
    &["server.port", "net.peer.port"],
    // Remote calls
    &["jsonrpc.protocol.version", "rpc.jsonrpc.version"],
    &["jsonrpc.request.id", "rpc.jsonrpc.request_id"],
    &["rpc.message.compressed_size", "message.compressed_size"],
    &["rpc.message.id", "message.id"],
    &["rpc.message.type", "message.type"],
    &["rpc.message.uncompressed_size", "message.uncompressed_size"],
    &["rpc.response.status_code", "rpc.connect_rpc.error_code"],
    &["rpc.system.name", "rpc.system"],
    // Repositories
    &["vcs.change.id", "vcs.repository.change.id"],
    &["vcs.change.title", "vcs.repository.change.title"],
    &["vcs.ref.head.name", "vcs.repository.ref.name"],
    &["vcs.ref.head.revision", "vcs.repository.ref.revision"],
    &["vcs.ref.head.type", "vcs.repository.ref.type"],
];

/// Beginnings of names that go on with a name of their own, the current one first.
const SAME_BEGINNINGS: &[&[&str]] = &[
    &["container.label.", "container.labels."],
    &["db.operation.parameter.", "db.elasticsearch.path_parts."],
    &["k8s.pod.label.", "k8s.pod.labels."],
    &["rpc.request.metadata.", "rpc.grpc.request.metadata."],
    &["rpc.request.metadata.", "rpc.connect_rpc.request.metadata."],
    &["rpc.response.metadata.", "rpc.grpc.response.metadata."],
    &["rpc.response.metadata.", "rpc.connect_rpc.response.metadata."],
];

/// The other names of an attribute.
pub(super) fn of(name: &str) -> Vec<Cow<'static, str>> {
    let rows = SAME.iter().filter(|row| row.contains(&name));
    let mut others: Vec<Cow<'static, str>> = rows
        .flat_map(|row| row.iter())
        .filter(|other| **other != name)
        .map(|other| Cow::from(*other))
        .collect();
    for row in SAME_BEGINNINGS {
        for own in row.iter() {
            let Some(rest) = name.strip_prefix(own).filter(|rest| !rest.is_empty()) else { continue };
            let others_here = row.iter().filter(|other| *other != own);
            others.extend(others_here.map(|other| Cow::from(format!("{other}{rest}"))));
        }
    }
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_the_others_of_its_rows() {
        for row in SAME {
            assert!(row.len() > 1, "{row:?}");
            for name in *row {
                let others = of(name);
                let rest = row.iter().filter(|other| *other != name);
                rest.for_each(|other| assert!(others.iter().any(|found| found == other), "{name}: {other}"));
                assert!(!others.iter().any(|found| found == name), "{name} is no other name of itself");
            }
        }
    }

    #[test]
    fn rows_are_listed_once() {
        for (at, row) in SAME.iter().enumerate() {
            assert!(!SAME[at + 1..].contains(row), "{row:?}");
        }
    }

    #[test]
    fn names_that_go_on_with_a_name_keep_it() {
        let cases = [
            ("k8s.pod.labels.app", vec!["k8s.pod.label.app"]),
            ("k8s.pod.label.app", vec!["k8s.pod.labels.app"]),
            ("k8s.pod.label.", vec![]),
            ("rpc.grpc.request.metadata.x", vec!["rpc.request.metadata.x"]),
            ("http.route", vec![]),
        ];
        for (name, expected) in cases {
            assert_eq!(of(name), expected, "{name}");
        }
    }
}

//! The system that the requests are about: a web shop of 16 services, three pods each.

use super::random::Random;
use super::text::Text;
use super::writer::{Field, Writer};

/// How many pods a service has.
pub(super) const PODS: usize = 3;
/// How many users the shop has.
const USERS: usize = 50_000;
/// How many tenants, few of which are large.
const TENANTS: usize = 200;

/// A service of the shop.
#[derive(Debug)]
pub(super) struct Service {
    /// `service.name`.
    pub(super) name: &'static str,
    /// The team it belongs to.
    pub(super) namespace: &'static str,
    /// What it is written in.
    pub(super) language: &'static str,
    /// What it serves.
    pub(super) routes: &'static [&'static str],
    /// Which services it calls.
    pub(super) calls: &'static [usize],
    /// Its database and the tables there; no tables if it has none.
    pub(super) database: (&'static str, &'static [&'static str]),
}

const fn service(
    name: &'static str,
    namespace: &'static str,
    language: &'static str,
    routes: &'static [&'static str],
    calls: &'static [usize],
    database: (&'static str, &'static [&'static str]),
) -> Service {
    Service { name, namespace, language, routes, calls, database }
}

const NONE: (&str, &[&str]) = ("", &[]);

/// The services; the first is the one that users reach.
pub(super) const SERVICES: [Service; 16] = [
    service(
        "gateway",
        "edge",
        "go",
        &["GET /", "GET /products/{slug}", "GET /cart", "POST /checkout", "GET /search"],
        &[1, 2, 3],
        NONE,
    ),
    service("frontend", "web", "nodejs", &["GET /page/{name}", "GET /account"], &[3, 4, 5, 6], NONE),
    service(
        "checkout",
        "orders",
        "java",
        &["POST /orders", "POST /orders/{id}/confirm"],
        &[5, 7, 8, 9],
        NONE,
    ),
    service("search", "catalog", "rust", &["GET /query", "GET /suggest"], &[4, 10], NONE),
    service(
        "catalog",
        "catalog",
        "go",
        &["GET /items/{id}", "GET /categories/{id}"],
        &[11],
        ("postgresql", &["items", "categories", "prices"]),
    ),
    service(
        "cart",
        "orders",
        "dotnet",
        &["GET /carts/{id}", "PUT /carts/{id}"],
        &[4, 11],
        ("redis", &["cart"]),
    ),
    service(
        "accounts",
        "identity",
        "java",
        &["GET /accounts/{id}", "PATCH /accounts/{id}"],
        &[12],
        ("postgresql", &["accounts", "addresses", "sessions"]),
    ),
    service("payment", "payments", "java", &["POST /charges", "GET /charges/{id}"], &[13, 14], NONE),
    service("shipping", "logistics", "python", &["POST /quotes", "POST /labels"], &[15], NONE),
    service(
        "stock",
        "logistics",
        "go",
        &["POST /reservations", "GET /stock/{sku}"],
        &[],
        ("mysql", &["stock", "reservations"]),
    ),
    service("ranking", "catalog", "python", &["POST /rank"], &[], NONE),
    service("pricing", "catalog", "rust", &["POST /prices"], &[], ("redis", &["price"])),
    service("tokens", "identity", "go", &["POST /token", "POST /introspect"], &[], ("redis", &["token"])),
    service("fraud", "payments", "python", &["POST /score"], &[], ("postgresql", &["scores", "rules"])),
    service("ledger", "payments", "java", &["POST /entries"], &[], ("postgresql", &["entries", "balances"])),
    service("carrier", "logistics", "php", &["POST /rates"], &[], NONE),
];

/// A value of an attribute.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Text.
    Text(Text),
    /// An integer.
    Integer(i64),
    /// A double.
    Double(f64),
    /// True or false.
    Boolean(bool),
}

impl<T: Into<Text>> From<T> for Value {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

/// Attributes in the order they are sent.
pub(super) type Attributes = Vec<(&'static str, Value)>;

/// Writes attributes into the message that is being written.
pub(super) fn write_attributes(writer: &mut Writer, field: Field, attributes: &Attributes) {
    writer.messages(field, attributes, |writer, (key, value)| {
        writer.fixed_text(Field(1, "key"), key);
        writer.message(Field(2, "value"), |writer| write_value(writer, value));
    });
}

/// Writes the alternatives of an `AnyValue`.
pub(super) fn write_value(writer: &mut Writer, value: &Value) {
    match value {
        Value::Text(text) => writer.text(Field(1, "stringValue"), text),
        Value::Boolean(value) => writer.boolean(Field(2, "boolValue"), *value),
        Value::Integer(value) => writer.integer(Field(3, "intValue"), *value),
        Value::Double(value) => writer.double(Field(4, "doubleValue"), *value),
    }
}

/// Writes the resource of a pod, the same for every signal of a seed.
pub(super) fn write_resource(writer: &mut Writer, seed: u64, service: usize, pod: usize) {
    let of = &SERVICES[service];
    let mut release = Random::new(seed, 0xA000 + service as u64);
    let mut random = Random::new(seed, 0xB000 + (service * PODS + pod) as u64);
    let replica_set = release.next() as u32;
    let attributes: Attributes = vec![
        ("service.name", of.name.into()),
        ("service.namespace", of.namespace.into()),
        ("service.version", format!("{}.{}.0", 1 + release.below(6), release.below(40)).into()),
        ("service.instance.id", format!("{:016x}{:016x}", random.next(), random.next()).into()),
        ("deployment.environment.name", "production".into()),
        ("k8s.cluster.name", "shop-north".into()),
        ("k8s.namespace.name", of.namespace.into()),
        ("k8s.deployment.name", of.name.into()),
        ("k8s.pod.name", format!("{}-{replica_set:08x}-{:05x}", of.name, random.next() as u32 >> 12).into()),
        ("k8s.node.name", format!("node-{:02}.north.shop.internal", random.below(12)).into()),
        ("cloud.availability_zone", format!("north-{}", ["a", "b", "c"][pod % PODS]).into()),
        ("telemetry.sdk.language", of.language.into()),
        ("telemetry.sdk.name", "opentelemetry".into()),
        ("process.pid", Value::Integer(1 + random.below(60) as i64)),
    ];
    writer.message(Field(1, "resource"), |writer| {
        write_attributes(writer, Field(1, "attributes"), &attributes);
    });
}

/// Writes the instrumentation scope of a service.
pub(super) fn write_scope(writer: &mut Writer, service: usize) {
    let language = SERVICES[service].language;
    writer.message(Field(1, "scope"), |writer| {
        writer.fixed_text(Field(1, "name"), &format!("io.opentelemetry.{language}"));
        writer.fixed_text(Field(2, "version"), "2.11.0");
    });
}

/// A user, another with every send.
pub(super) fn user(random: &mut Random) -> Text {
    Text::pattern(&format!("user-<d6:{USERS}>"), random)
}

/// A tenant.
pub(super) fn tenant(random: &mut Random) -> Text {
    format!("tenant-{:03}", random.rank(TENANTS)).into()
}

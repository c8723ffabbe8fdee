//! What goes on after a purchase: orders, and by way of queues shipping and mail; and a job that no one waits for.

use super::{Consumer, Database, Field, Operation, Query, Service, Step, info};

const ORDERS_DB: Database = Database { host: "orders-db", system: "postgresql", port: 5432 };
const SHIPMENTS: Database = Database { host: "shipments-db", system: "postgresql", port: 5432 };

pub(super) static ORDERS: Service = Service {
    name: "orders",
    version: "7.3.1",
    next_version: "7.3.2",
    instances: 2,
    cores: 2,
    memory_mib: 230.0,
    operations: &[
        Operation {
            name: "POST /orders",
            status: 201,
            shows: &[Field::User, Field::Order],
            steps: &[
                Step::Work(1.2),
                Step::Query(Query {
                    db: ORDERS_DB,
                    operation: "INSERT",
                    collection: "orders",
                    text: "INSERT INTO orders (id, user_id, cents) VALUES ($1, $2, $3)",
                    ms: 4.0,
                }),
                Step::Publish("orders"),
                info("orders::create", 49, "order {order} stored and sent to shipping"),
            ],
        },
        Operation {
            name: "GET /orders/{order}",
            status: 200,
            shows: &[Field::User, Field::Order],
            steps: &[
                Step::Work(0.8),
                Step::Query(Query {
                    db: ORDERS_DB,
                    operation: "SELECT",
                    collection: "orders",
                    text: "SELECT * FROM orders WHERE user_id = $1 ORDER BY placed DESC LIMIT 20",
                    ms: 6.0,
                }),
                info("orders::show", 28, "{n} orders of {user} read"),
            ],
        },
    ],
    consumer: None,
};

pub(super) static SHIPPING: Service = Service {
    name: "shipping",
    version: "1.2.9",
    next_version: "1.3.0",
    instances: 2,
    cores: 2,
    memory_mib: 140.0,
    operations: &[],
    consumer: Some(Consumer {
        queue: "orders",
        steps: &[
            info("shipping::label", 36, "order {order} is to be shipped to {region}"),
            Step::Work(5.0),
            Step::Query(Query {
                db: SHIPMENTS,
                operation: "INSERT",
                collection: "shipments",
                text: "INSERT INTO shipments (order_id, region) VALUES ($1, $2)",
                ms: 4.0,
            }),
            Step::Publish("mails"),
            info("shipping::label", 62, "label printed for order {order}"),
        ],
    }),
};

pub(super) static NOTIFICATION: Service = Service {
    name: "notification",
    version: "1.0.3",
    next_version: "1.0.4",
    instances: 1,
    cores: 2,
    memory_mib: 95.0,
    operations: &[],
    consumer: Some(Consumer {
        queue: "mails",
        steps: &[
            Step::Work(2.0),
            Step::Outside { host: "smtp.mail.example", name: "POST /messages", ms: 30.0 },
            info("notification::mail", 24, "mail about order {order} sent to {user}"),
        ],
    }),
};

pub(super) static REPORTS: Service = Service {
    name: "reports",
    version: "0.4.0",
    next_version: "0.4.1",
    instances: 1,
    cores: 2,
    memory_mib: 300.0,
    operations: &[Operation {
        name: "JOB sales-by-region",
        status: 200,
        shows: &[],
        steps: &[
            info("reports::job", 18, "report sales-by-region begun"),
            Step::Query(Query {
                db: ORDERS_DB,
                operation: "SELECT",
                collection: "orders",
                text: "SELECT region, sum(cents) FROM orders GROUP BY region",
                ms: 400.0,
            }),
            Step::Within("aggregate", &[Step::Work(9_000.0), Step::Work(9_000.0), Step::Work(9_000.0)]),
            info("reports::job", 57, "report sales-by-region has {n} rows"),
        ],
    }],
    consumer: None,
};

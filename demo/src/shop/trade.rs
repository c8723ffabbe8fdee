//! What a purchase needs: cart, checkout, stock, payment and the check for fraud.

use super::{Call, Database, Field, Operation, Query, Service, Step, call, info, warn};
use crate::fault::Fault;

const CARTS: Database = Database { host: "carts", system: "redis", port: 6380 };
const STOCK: Database = Database { host: "stock-db", system: "postgresql", port: 5432 };
const CHARGES: Database = Database { host: "charges-db", system: "postgresql", port: 5432 };

pub(super) static CART: Service = Service {
    name: "cart",
    version: "2.0.1",
    next_version: "2.0.2",
    instances: 2,
    cores: 2,
    memory_mib: 120.0,
    operations: &[
        Operation {
            name: "POST /carts/{user}/items",
            status: 201,
            shows: &[Field::User, Field::Product],
            steps: &[
                Step::Work(1.0),
                Step::Pooled(&[Step::Query(Query {
                    db: CARTS,
                    operation: "HSET",
                    collection: "cart",
                    text: "HSET cart:? ? ?",
                    ms: 1.5,
                })]),
                info("cart::items", 33, "{product} added to the cart of {user}"),
            ],
        },
        Operation {
            name: "GET /carts/{user}",
            status: 200,
            shows: &[Field::User],
            steps: &[
                Step::Work(0.8),
                Step::Pooled(&[Step::Query(Query {
                    db: CARTS,
                    operation: "HGETALL",
                    collection: "cart",
                    text: "HGETALL cart:?",
                    ms: 1.8,
                })]),
                info("cart::items", 61, "cart of {user} has {n} items"),
            ],
        },
    ],
    consumer: None,
};

pub(super) static CHECKOUT: Service = Service {
    name: "checkout",
    version: "6.1.0",
    next_version: "6.1.1",
    instances: 2,
    cores: 2,
    memory_mib: 180.0,
    operations: &[Operation {
        name: "POST /checkouts",
        status: 201,
        shows: &[Field::User, Field::Order],
        steps: &[
            info("checkout::place", 41, "placing order {order} of {user}"),
            Step::Call(Call { timeout_ms: 1_000, ..call("cart", "GET /carts/{user}") }),
            Step::Call(call("pricing", "POST /quotes")),
            Step::Call(Call { timeout_ms: 3_000, ..call("inventory", "POST /reservations") }),
            Step::Call(Call { timeout_ms: 6_000, ..call("payment", "POST /charges") }),
            Step::Call(call("orders", "POST /orders")),
            Step::Work(1.5),
            info("checkout::place", 77, "order {order} placed"),
        ],
    }],
    consumer: None,
};

pub(super) static INVENTORY: Service = Service {
    name: "inventory",
    version: "1.14.3",
    next_version: "1.14.4",
    instances: 2,
    cores: 2,
    memory_mib: 170.0,
    operations: &[Operation {
        name: "POST /reservations",
        status: 201,
        shows: &[Field::Product, Field::Order],
        steps: &[
            info("inventory::reserve", 38, "reserving {product} for order {order}"),
            Step::Work(1.5),
            Step::Locked("stock-ledger", 2.0),
            Step::Query(Query {
                db: STOCK,
                operation: "UPDATE",
                collection: "stock",
                text: "UPDATE stock SET reserved = reserved + $1 WHERE product = $2",
                ms: 4.0,
            }),
            Step::Sometimes(0.03, &[warn("inventory::reserve", 59, "stock of {product} is below {n}")]),
            info("inventory::reserve", 66, "reserved {product} for order {order}"),
        ],
    }],
    consumer: None,
};

pub(super) static PAYMENT: Service = Service {
    name: "payment",
    version: "3.4.0",
    next_version: "3.4.1",
    instances: 2,
    cores: 2,
    memory_mib: 160.0,
    operations: &[Operation {
        name: "POST /charges",
        status: 201,
        shows: &[Field::Order],
        steps: &[
            info("payment::charge", 45, "charging {amount} for order {order}"),
            Step::Call(Call {
                timeout_ms: 1_500,
                attempts: 2,
                breaker: true,
                ..call("fraud", "POST /scores")
            }),
            info("payment::charge", 58, "fraud score of order {order} is {n}"),
            Step::Outside { host: "api.bank.example", name: "POST /authorisations", ms: 45.0 },
            info("payment::charge", 73, "bank authorised {amount} for order {order}"),
            Step::Breaks(Fault::Error),
            Step::Work(1.0),
            info("payment::charge", 86, "charge of order {order} booked"),
            Step::Query(Query {
                db: CHARGES,
                operation: "INSERT",
                collection: "charges",
                text: "INSERT INTO charges (order_id, cents) VALUES ($1, $2)",
                ms: 3.0,
            }),
        ],
    }],
    consumer: None,
};

pub(super) static FRAUD: Service = Service {
    name: "fraud",
    version: "0.9.5",
    next_version: "0.9.6",
    instances: 2,
    cores: 1,
    memory_mib: 420.0,
    operations: &[Operation {
        name: "POST /scores",
        status: 200,
        shows: &[Field::Order],
        steps: &[
            Step::Cache { key: "history:{user}", hit: 0.9, miss: &[Step::Work(8.0)] },
            Step::Work(40.0),
            info("fraud::score", 120, "order {order} of {user} scored {n}"),
        ],
    }],
    consumer: None,
};

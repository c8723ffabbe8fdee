//! What customers look at: the storefront, search, recommendations, the catalogue and its prices.

use super::{Call, Database, Field, Operation, Query, Service, Step, call, info, warn};
use crate::fault::Fault;

const PRODUCTS: Database = Database { host: "products-db", system: "postgresql", port: 5432 };
const INDEX: Database = Database { host: "search-index", system: "opensearch", port: 9200 };

const RECOMMENDATIONS: Step =
    Step::Call(Call { timeout_ms: 400, optional: true, ..call("recommendation", "GET /recommendations") });

pub(super) static WEB: Service = Service {
    name: "web",
    version: "5.2.0",
    next_version: "5.2.1",
    instances: 2,
    cores: 4,
    memory_mib: 210.0,
    operations: &[
        Operation {
            name: "GET /",
            status: 200,
            shows: &[Field::User, Field::Tier, Field::Region],
            steps: &[
                Step::Work(2.0),
                Step::Sometimes(
                    0.04,
                    &[warn("web::session", 44, "session of {user} uses the deprecated cookie v1")],
                ),
                Step::Together(&[Step::Call(call("catalog", "GET /products")), RECOMMENDATIONS]),
                Step::Work(2.0),
                info("web::home", 31, "home page for {user} in {region}"),
            ],
        },
        Operation {
            name: "GET /products/{product}",
            status: 200,
            shows: &[Field::User, Field::Tier, Field::Region, Field::Product, Field::Kind],
            steps: &[
                Step::Work(1.5),
                Step::Together(&[
                    Step::Call(call("catalog", "GET /products/{product}")),
                    Step::Call(call("pricing", "GET /prices/{product}")),
                    RECOMMENDATIONS,
                ]),
                Step::Work(2.5),
                info("web::product", 58, "product page {product} for {user}"),
            ],
        },
        Operation {
            name: "GET /search",
            status: 200,
            shows: &[Field::User, Field::Tier, Field::Region],
            steps: &[
                Step::Work(1.0),
                Step::Call(call("search", "GET /search")),
                Step::Work(1.5),
                info("web::search", 27, "search page for {user}"),
            ],
        },
        Operation {
            name: "POST /cart",
            status: 201,
            shows: &[Field::User, Field::Tier, Field::Region, Field::Product],
            steps: &[
                Step::Work(1.0),
                Step::Call(Call { timeout_ms: 1_000, ..call("cart", "POST /carts/{user}/items") }),
                info("web::cart", 39, "{user} put {product} into the cart"),
            ],
        },
        Operation {
            name: "POST /checkout",
            status: 201,
            shows: &[Field::User, Field::Tier, Field::Region, Field::Order],
            steps: &[
                info("web::checkout", 70, "{user} checks out as order {order}"),
                Step::Work(1.5),
                Step::Call(Call { timeout_ms: 8_000, ..call("checkout", "POST /checkouts") }),
                info("web::checkout", 83, "order {order} confirmed to {user}"),
            ],
        },
        Operation {
            name: "GET /orders/{order}",
            status: 200,
            shows: &[Field::User, Field::Tier, Field::Region, Field::Order],
            steps: &[
                Step::Work(1.0),
                Step::Call(Call { timeout_ms: 3_000, ..call("orders", "GET /orders/{order}") }),
                info("web::orders", 22, "order page {order} for {user}"),
            ],
        },
    ],
    consumer: None,
};

pub(super) static SEARCH: Service = Service {
    name: "search",
    version: "2.3.4",
    next_version: "2.4.0",
    instances: 2,
    cores: 2,
    memory_mib: 340.0,
    operations: &[Operation {
        name: "GET /search",
        status: 200,
        shows: &[Field::Region],
        steps: &[
            Step::Work(3.0),
            Step::Query(Query {
                db: INDEX,
                operation: "search",
                collection: "products-v7",
                text: "{\"query\":{\"match\":{\"title\":?}},\"size\":24}",
                ms: 11.0,
            }),
            info("search::query", 64, "{n} hits in index products-v7"),
            Step::Breaks(Fault::BadDeploy),
            Step::Work(2.0),
            info("search::rank", 112, "ranked {n} hits for region {region}"),
        ],
    }],
    consumer: None,
};

pub(super) static RECOMMENDATION: Service = Service {
    name: "recommendation",
    version: "1.8.0",
    next_version: "1.8.1",
    instances: 2,
    cores: 2,
    memory_mib: 190.0,
    operations: &[Operation {
        name: "GET /recommendations",
        status: 200,
        shows: &[Field::User],
        steps: &[
            Step::Work(5.0),
            Step::Cache {
                key: "profile:{user}",
                hit: 0.93,
                miss: &[
                    Step::Call(call("catalog", "GET /products")),
                    info("recommendation::profile", 51, "profile of {user} rebuilt from {n} products"),
                ],
            },
            Step::Work(4.0),
            info("recommendation::pick", 88, "{n} recommendations for {user}"),
        ],
    }],
    consumer: None,
};

pub(super) static CATALOG: Service = Service {
    name: "catalog",
    version: "3.11.2",
    next_version: "3.11.3",
    instances: 2,
    cores: 2,
    memory_mib: 260.0,
    operations: &[
        Operation {
            name: "GET /products",
            status: 200,
            shows: &[],
            steps: &[
                Step::Work(1.0),
                Step::Cache {
                    key: "products:front",
                    hit: 0.9,
                    miss: &[Step::Query(Query {
                        db: PRODUCTS,
                        operation: "SELECT",
                        collection: "products",
                        text: "SELECT id, title FROM products WHERE front = $1 LIMIT 40",
                        ms: 9.0,
                    })],
                },
                Step::Work(1.5),
                info("catalog::list", 35, "{n} products on the front page"),
            ],
        },
        Operation {
            name: "GET /products/{product}",
            status: 200,
            shows: &[Field::Product, Field::Kind],
            steps: &[
                Step::Cache {
                    key: "product:{product}",
                    hit: 0.8,
                    miss: &[
                        Step::Query(Query {
                            db: PRODUCTS,
                            operation: "SELECT",
                            collection: "products",
                            text: "SELECT * FROM products WHERE id = $1",
                            ms: 5.0,
                        }),
                        Step::Sometimes(
                            0.05,
                            &[warn("catalog::detail", 47, "product {product} has no picture in size xl")],
                        ),
                    ],
                },
                info("catalog::detail", 52, "found {kind} product {product}"),
                Step::Breaks(Fault::Exception),
                Step::Work(2.0),
                info("catalog::detail", 71, "product {product} shown with {n} variants"),
            ],
        },
    ],
    consumer: None,
};

pub(super) static PRICING: Service = Service {
    name: "pricing",
    version: "4.0.7",
    next_version: "4.0.8",
    instances: 2,
    cores: 2,
    memory_mib: 150.0,
    operations: &[
        Operation {
            name: "GET /prices/{product}",
            status: 200,
            shows: &[Field::Product],
            steps: &[
                Step::Work(2.5),
                Step::Cache { key: "rates:{region}", hit: 0.98, miss: &[Step::Work(6.0)] },
                Step::Work(3.0),
                info("pricing::price", 40, "price of {product} is {amount}"),
            ],
        },
        Operation {
            name: "POST /quotes",
            status: 201,
            shows: &[Field::Order],
            steps: &[
                Step::Work(4.0),
                Step::Within("apply promotions", &[Step::Work(5.0)]),
                info("pricing::quote", 93, "quote for order {order} is {amount}"),
            ],
        },
    ],
    consumer: None,
};

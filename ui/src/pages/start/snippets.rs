//! Exporter settings, ready to copy, with the real addresses in them.

/// What the settings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guide {
    Environment,
    Python,
    Java,
    Node,
    Go,
    Dotnet,
    Ruby,
    Php,
    Rust,
    Collector,
    Kubernetes,
    Curl,
}

/// One text to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snippet {
    /// What to do with it.
    pub(super) title: &'static str,
    pub(super) text: String,
}

impl Guide {
    /// Each by its word in the address.
    pub(super) const ALL: [(&str, Self); 12] = [
        ("environment", Self::Environment),
        ("python", Self::Python),
        ("java", Self::Java),
        ("node", Self::Node),
        ("go", Self::Go),
        ("dotnet", Self::Dotnet),
        ("ruby", Self::Ruby),
        ("php", Self::Php),
        ("rust", Self::Rust),
        ("collector", Self::Collector),
        ("kubernetes", Self::Kubernetes),
        ("curl", Self::Curl),
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Environment => "Environment",
            Self::Python => "Python",
            Self::Java => "Java",
            Self::Node => "Node",
            Self::Go => "Go",
            Self::Dotnet => ".NET",
            Self::Ruby => "Ruby",
            Self::Php => "PHP",
            Self::Rust => "Rust",
            Self::Collector => "Collector",
            Self::Kubernetes => "Kubernetes",
            Self::Curl => "curl",
        }
    }

    /// What a reader should know first.
    pub(super) fn note(self) -> Option<&'static str> {
        match self {
            Self::Environment => Some("Every OpenTelemetry SDK and agent reads these variables."),
            Self::Collector => Some("Keeps what you export elsewhere and sends a copy here."),
            Self::Kubernetes => {
                Some("The address must be one that pods can reach: a service or node address.")
            }
            Self::Curl => Some("Sends one span, to see that the way is open. Needs no SDK."),
            _ => None,
        }
    }

    /// The texts, with the addresses of both listeners.
    pub(super) fn snippets(self, grpc: &str, http: &str) -> Vec<Snippet> {
        let fill = |text: &str| {
            text.replace("{grpc}", grpc).replace("{http}", http).replace("{env}", &environment(http))
        };
        let texts: &[(&'static str, &str)] = match self {
            Self::Environment => &[("Over HTTP", "{env}"), ("Or over gRPC", GRPC)],
            Self::Python => &[("Install", PYTHON_INSTALL), ("Run", PYTHON_RUN)],
            Self::Java => &[("Fetch the agent", JAVA_INSTALL), ("Run", JAVA_RUN)],
            Self::Node => &[("Install", NODE_INSTALL), ("Run", NODE_RUN)],
            Self::Go => &[("Install", GO_INSTALL), ("Set up, once in main", GO_CODE), ("Run", GO_RUN)],
            Self::Dotnet => &[("Fetch the instrumentation", DOTNET_INSTALL), ("Run", DOTNET_RUN)],
            Self::Ruby => &[("Install", RUBY_INSTALL), ("Set up, once", RUBY_CODE), ("Run", RUBY_RUN)],
            Self::Php => &[("Install", PHP_INSTALL), ("Run", PHP_RUN)],
            Self::Rust => {
                &[("Install", RUST_INSTALL), ("Set up, once in main", RUST_CODE), ("Run", RUST_RUN)]
            }
            Self::Collector => &[("Add to its configuration", COLLECTOR)],
            Self::Kubernetes => &[("Add to the container of a Deployment", KUBERNETES)],
            Self::Curl => &[("Send a span", CURL)],
        };
        texts.iter().map(|(title, text)| Snippet { title, text: fill(text) }).collect()
    }
}

fn environment(http: &str) -> String {
    ENVIRONMENT.replace("{http}", http)
}

const ENVIRONMENT: &str = "\
export OTEL_SERVICE_NAME=my-service
export OTEL_EXPORTER_OTLP_ENDPOINT={http}
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
export OTEL_TRACES_EXPORTER=otlp
export OTEL_METRICS_EXPORTER=otlp
export OTEL_LOGS_EXPORTER=otlp";

const GRPC: &str = "\
export OTEL_EXPORTER_OTLP_ENDPOINT={grpc}
export OTEL_EXPORTER_OTLP_PROTOCOL=grpc";

const PYTHON_INSTALL: &str = "\
pip install opentelemetry-distro opentelemetry-exporter-otlp
opentelemetry-bootstrap --action=install";

const PYTHON_RUN: &str = "\
{env}
export OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED=true
opentelemetry-instrument python app.py";

const JAVA_INSTALL: &str = "\
curl -LO https://github.com/open-telemetry/opentelemetry-java-instrumentation/releases/latest/download/opentelemetry-javaagent.jar";

const JAVA_RUN: &str = "\
{env}
java -javaagent:opentelemetry-javaagent.jar -jar app.jar";

const NODE_INSTALL: &str = "npm install @opentelemetry/api @opentelemetry/auto-instrumentations-node";

const NODE_RUN: &str = "\
{env}
node --require @opentelemetry/auto-instrumentations-node/register app.js";

const GO_INSTALL: &str = "\
go get go.opentelemetry.io/otel go.opentelemetry.io/otel/sdk \\
  go.opentelemetry.io/contrib/exporters/autoexport";

const GO_CODE: &str = "\
exporter, err := autoexport.NewSpanExporter(ctx)
if err != nil {
    log.Fatal(err)
}
provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
defer provider.Shutdown(ctx)
otel.SetTracerProvider(provider)";

const GO_RUN: &str = "\
{env}
go run .";

const DOTNET_INSTALL: &str = "\
curl -LO https://github.com/open-telemetry/opentelemetry-dotnet-instrumentation/releases/latest/download/otel-dotnet-auto-install.sh
sh otel-dotnet-auto-install.sh";

const DOTNET_RUN: &str = "\
{env}
. $HOME/.otel-dotnet-auto/instrument.sh
dotnet run";

const RUBY_INSTALL: &str =
    "bundle add opentelemetry-sdk opentelemetry-exporter-otlp opentelemetry-instrumentation-all";

const RUBY_CODE: &str = "\
require \"opentelemetry/sdk\"
require \"opentelemetry/exporter/otlp\"
require \"opentelemetry/instrumentation/all\"

OpenTelemetry::SDK.configure(&:use_all)";

const RUBY_RUN: &str = "\
{env}
bundle exec ruby app.rb";

const PHP_INSTALL: &str = "\
pecl install opentelemetry
composer require open-telemetry/sdk open-telemetry/exporter-otlp php-http/guzzle7-adapter";

const PHP_RUN: &str = "\
{env}
export OTEL_PHP_AUTOLOAD_ENABLED=true
php -d extension=opentelemetry.so -S localhost:8000";

const RUST_INSTALL: &str = "\
cargo add opentelemetry opentelemetry_sdk
cargo add opentelemetry-otlp --features grpc-tonic";

const RUST_CODE: &str = "\
let exporter = opentelemetry_otlp::SpanExporter::builder().with_tonic().build()?;
let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder()
    .with_batch_exporter(exporter)
    .build();
opentelemetry::global::set_tracer_provider(provider.clone());";

const RUST_RUN: &str = "\
export OTEL_SERVICE_NAME=my-service
export OTEL_EXPORTER_OTLP_ENDPOINT={grpc}
cargo run";

const COLLECTOR: &str = "\
exporters:
  otlphttp/causeway:
    endpoint: {http}

service:
  pipelines:
    traces:
      exporters: [otlphttp/causeway]
    metrics:
      exporters: [otlphttp/causeway]
    logs:
      exporters: [otlphttp/causeway]";

const KUBERNETES: &str = "\
env:
  - name: OTEL_SERVICE_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.labels['app.kubernetes.io/name']
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: OTEL_RESOURCE_ATTRIBUTES
    value: k8s.pod.name=$(POD_NAME)
  - name: OTEL_EXPORTER_OTLP_ENDPOINT
    value: {http}
  - name: OTEL_EXPORTER_OTLP_PROTOCOL
    value: http/protobuf";

const CURL: &str = "\
curl -i {http}/v1/traces -H 'Content-Type: application/json' -d @- <<END
{\"resourceSpans\": [{
  \"resource\": {\"attributes\": [{\"key\": \"service.name\", \"value\": {\"stringValue\": \"curl\"}}]},
  \"scopeSpans\": [{\"spans\": [{
    \"traceId\": \"$(openssl rand -hex 16)\", \"spanId\": \"$(openssl rand -hex 8)\",
    \"name\": \"hello\", \"kind\": 2,
    \"startTimeUnixNano\": \"$(date +%s)000000000\", \"endTimeUnixNano\": \"$(date +%s)250000000\"
  }]}]
}]}
END";

-- Reads Causeway's Parquet files with DuckDB: `.read docs/duckdb.sql`, then
--   SELECT time, service_name, body FROM causeway_logs('causeway-data/segments/*/logs/*/data.parquet');
-- Files leave out what follows from other columns (docs/format-segment.md); these macros put it back, and show ids
-- as hexadecimal text.

-- The body of a log record: whole, or its template with the variables at their places.
CREATE OR REPLACE MACRO causeway_body(body, template, variables) AS
    coalesce(body, array_to_string(
        [piece || coalesce(string_split(variables, chr(31))[place], '')
         FOR piece, place IN string_split(template, chr(26))], ''));

-- A text that is there, else the one that follows; an empty text stands for null.
CREATE OR REPLACE MACRO causeway_text(there, follows) AS nullif(coalesce(there, follows), '');

-- A time that is there, else the one that follows, in nanoseconds since 1970.
CREATE OR REPLACE MACRO causeway_time(there, follows) AS
    make_timestamp_ns(coalesce(epoch_ns(there), follows)) AT TIME ZONE 'UTC';

CREATE OR REPLACE MACRO causeway_id(id) AS lower(hex(id));

CREATE OR REPLACE MACRO causeway_json(attributes, key) AS
    json_extract_string(attributes, '$."' || key || '"');

-- An attribute as text: from its own column, and where that has none from the rest.
--   causeway_attribute("attributes.http.route", attributes, 'http.route')
CREATE OR REPLACE MACRO causeway_attribute(own, rest, key) AS coalesce(own::VARCHAR, causeway_json(rest, key));

CREATE OR REPLACE MACRO causeway_severity(there, number) AS
    causeway_text(there, CASE WHEN number BETWEEN 1 AND 24 THEN
        ['trace', 'debug', 'info', 'warn', 'error', 'fatal'][((number - 1) // 4 + 1)::INTEGER] END);

-- Rows of any table, with the columns that follow from their resource.
CREATE OR REPLACE MACRO causeway_rows(files) AS TABLE
    SELECT * REPLACE (
        causeway_text(service_namespace, causeway_json(resource_attributes, 'service.namespace'))
            AS service_namespace,
        causeway_text(deployment_environment, coalesce(
            causeway_json(resource_attributes, 'deployment.environment.name'),
            causeway_json(resource_attributes, 'deployment.environment'))) AS deployment_environment,
        causeway_text(service_version, causeway_json(resource_attributes, 'service.version'))
            AS service_version,
        causeway_text(service_instance_id, coalesce(
            causeway_json(resource_attributes, 'service.instance.id'),
            causeway_json(resource_attributes, 'k8s.pod.name'),
            causeway_json(resource_attributes, 'host.name'))) AS service_instance_id)
    FROM read_parquet(files, union_by_name = true);

CREATE OR REPLACE MACRO causeway_logs(files) AS TABLE
    SELECT * EXCLUDE (observed_delay_ns, body_template, body_variables) REPLACE (
        causeway_id(trace_id) AS trace_id, causeway_id(span_id) AS span_id,
        causeway_time(observed_time, epoch_ns(time) + observed_delay_ns) AS observed_time,
        causeway_severity(severity, severity_number) AS severity,
        causeway_body(body, body_template, body_variables) AS body)
    FROM causeway_rows(files);

CREATE OR REPLACE MACRO causeway_spans(files) AS TABLE
    SELECT * REPLACE (
        causeway_id(trace_id) AS trace_id, causeway_id(span_id) AS span_id,
        causeway_id(parent_span_id) AS parent_span_id,
        causeway_time(end_time, epoch_ns(start_time) + duration_ns) AS end_time)
    FROM causeway_rows(files);

CREATE OR REPLACE MACRO causeway_metrics(files) AS TABLE SELECT * FROM causeway_rows(files);

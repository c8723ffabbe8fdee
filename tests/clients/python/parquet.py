"""Reads the Parquet files of a data directory with DuckDB, through the macros of `docs/duckdb.sql`.

What people are told to do with the files must give what the server answers, row by row.
"""

import json
from pathlib import Path

import duckdb

MACROS = Path(__file__).resolve().parents[3] / "docs" / "duckdb.sql"

# Of each table its time and the columns that files leave out or hold in another form, as both sides can say them.
COLUMNS = {
    "spans": ["trace_id", "span_id", "parent_span_id", "name", "status_code", ("start_time",), ("end_time",),
              "duration_ns"],
    "logs": ["trace_id", "span_id", ("time",), ("observed_time",), "severity_number", "severity", "body"],
    "metrics": ["metric", "type", ("time",), "value", "value_int"],
}
OF_RESOURCES = ["service_name", "service_namespace", "deployment_environment", "service_version",
                "service_instance_id"]


def check(server, data, checks):
    """Compares every stored row. All rows must be in segments."""
    connection = duckdb.connect()
    # Times must not depend on where the reader is.
    connection.execute("SET TimeZone = 'Asia/Kathmandu'")
    connection.execute(MACROS.read_text())
    for table in COLUMNS:
        stored = read(connection, data, table)
        answered = ask(server, table)
        checks.that(f"rows of {table}", len(answered) > 0)
        checks.equal(f"rows of {table} in the files", sorted(stored), sorted(answered))
        for seq in sorted(stored.keys() & answered.keys()):
            checks.equal(f"row {seq} of {table} in the files", stored[seq], answered[seq])


def names(table):
    """The columns to compare; times in a tuple."""
    return OF_RESOURCES + COLUMNS[table]


def read(connection, data, table):
    """The rows by `seq`, from the files."""
    columns = [f"epoch_ns({name[0]})" if isinstance(name, tuple) else name for name in names(table)]
    files = f"{data}/segments/*/{table}/*/data.parquet"
    answer = connection.execute(
        f"SELECT seq, {', '.join(columns)}, attributes, COLUMNS('attributes\\..*') FROM causeway_{table}('{files}')")
    prefix = "attributes."
    keys = [column[0].removeprefix(prefix) for column in answer.description if column[0].startswith(prefix)]
    rows = {}
    for row in answer.fetchall():
        fixed, rest, own = row[1:1 + len(columns)], row[1 + len(columns)], row[2 + len(columns):]
        attributes = json.loads(rest) if rest else {}
        attributes |= {key: value for key, value in zip(keys, own) if value is not None}
        rows[row[0]] = [*fixed, attributes]
    return rows


def ask(server, table):
    """The rows by `seq`, from the API."""
    columns = [f"CAST({name[0]} AS BIGINT)" if isinstance(name, tuple) else name for name in names(table)]
    rows = {}
    for row in server.sql(f"SELECT seq, {', '.join(columns)}, attributes FROM {table}"):
        # Integers that JavaScript cannot hold come as text.
        fixed = [int(cell) if isinstance(name, tuple) and cell is not None else cell
                 for name, cell in zip(names(table), row[1:-1])]
        rows[int(row[0])] = [*fixed, row[-1]]
    return rows

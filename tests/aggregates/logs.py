"""Small Parquet files for tests, and connections over them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import find_files
from mlops_desk.warehouse.footers import Footer, read_footers


def written(path: Path, columns: Mapping[str, object] | pa.Table, **options: object) -> Path:
    """A Parquet file of these columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    pq.write_table(table, path, **options)
    return path


def opened(folder: Path, paths: Sequence[str] = (".",), **options: object) -> tuple[Connection, list[Footer]]:
    """A connection over the files of a folder, and their footers; all of them must be readable."""
    files = find_files(folder, paths, "logs")
    connection = Connection([file.path for file in files], folder / "spill", **options)  # type: ignore[arg-type]
    footers, quarantined = read_footers(connection, files)
    assert not quarantined
    return connection, footers

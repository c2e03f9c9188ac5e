"""One DuckDB instance for one evaluation: in memory, locked down to the files it was opened for, and interruptible.

The extension module is used as it is, without the layer of Python that the `duckdb` package puts on top: only streams of pieces need that, and
loading it takes as long as a third of the queries of a new day. A DuckDB connection belongs to one thread, so work side by side goes through
`side_by_side`, which gives each thread a cursor of its own.
Results come back as numpy arrays by column; a masked array becomes a pair of values and where they are missing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.progress import CancelToken

if TYPE_CHECKING:
    from collections.abc import Iterator

    import _duckdb as duckdb
    import numpy as np
    from numpy.typing import NDArray

MEMORY_LIMIT = "320MB"
"""Of the engine's own buffers, so that the whole process stays below 500 MB."""

INTERRUPTED_EVERY_SECONDS = 0.05
ROWS_OF_A_PIECE = 65_536

Columns = dict[str, "NDArray[Any]"]
Item = TypeVar("Item")
Result = TypeVar("Result")


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def path_literal(path: Path) -> str:
    """A path as an SQL string that means this file alone, whatever patterns its name looks like."""
    return literal("".join(f"[{character}]" if character in "*?[" else character for character in str(path)))


class EngineSettings(Struct, frozen=True, kw_only=True):
    """How much of the machine an engine may use."""

    threads: int = 2
    memory_limit: str = MEMORY_LIMIT


class Connection:
    """A locked-down DuckDB instance over the files of one evaluation; close it when done."""

    def __init__(
        self,
        files: Iterable[Path],
        temporary: Path,
        settings: EngineSettings | None = None,
        cancel: CancelToken | None = None,
    ) -> None:
        import _duckdb as duckdb

        self.settings = settings or EngineSettings()
        self._cancel = cancel or CancelToken()
        self._instance = duckdb.connect(":memory:")
        self._running: set[duckdb.DuckDBPyConnection] = set()
        self._lock = threading.Lock()
        self._interrupter: threading.Thread | None = None
        paths = ", ".join(dict.fromkeys(name for path in files for name in (literal(str(path)), path_literal(path))))
        for statement in (
            f"set threads = {self.settings.threads}",
            f"set memory_limit = {literal(self.settings.memory_limit)}",
            f"set temp_directory = {literal(str(temporary))}",
            "set perfect_ht_threshold = 20",
            "set TimeZone = 'UTC'",
            "set parquet_metadata_cache = true",
            f"set allowed_paths = [{paths}]",
            f"set allowed_directories = [{literal(str(temporary))}]",
            "set autoinstall_known_extensions = false",
            "set autoload_known_extensions = false",
            "set enable_external_access = false",
            "set lock_configuration = true",
        ):
            self._instance.execute(statement)
        self._forget = self._cancel.on_cancel(self._interrupt)

    @property
    def engine_errors(self) -> tuple[type[Exception], ...]:
        """What a query raises that the engine cannot answer."""
        import _duckdb as duckdb

        return (duckdb.Error,)

    def close(self) -> None:
        """Ends the instance and everything that it holds in memory, and the thread that interrupts, which would outlive the program's end."""
        self._forget()
        with self._lock:
            interrupter = self._interrupter
        if interrupter is not None:
            interrupter.join()
        self._instance.close()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _interrupt(self) -> None:
        """Interrupts what is running, until nothing is: the engine forgets an interrupt that comes just before its query."""
        with self._lock:
            self._interrupter = threading.Thread(target=self._interrupt_all, name="interrupt", daemon=True)
            self._interrupter.start()

    def _interrupt_all(self) -> None:
        while True:
            with self._lock:
                for cursor in self._running:
                    cursor.interrupt()
                if not self._running:
                    return
            time.sleep(INTERRUPTED_EVERY_SECONDS)

    @contextmanager
    def _cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor that a cancel interrupts; raises Cancelled in place of the engine's own error."""
        import _duckdb as duckdb

        self._cancel.raise_if_cancelled()
        cursor = self._instance.cursor()
        with self._lock:
            self._running.add(cursor)
        try:
            self._cancel.raise_if_cancelled()  # it may have been cancelled before the cursor could be interrupted
            yield cursor
        except duckdb.InterruptException as error:
            raise Cancelled from error
        except duckdb.OutOfMemoryException as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"the engine ran out of its {self.settings.memory_limit} of memory: {reason}") from error
        finally:
            with self._lock:
                self._running.discard(cursor)
            cursor.close()

    def columns(self, query: str) -> Columns:
        """The result of a query as numpy arrays by column, masked where values are NULL."""
        with self._cursor() as cursor:
            result: Columns = cursor.execute(query).fetchnumpy()
            return result

    def pieces(self, query: str, rows: int = ROWS_OF_A_PIECE) -> Iterator[Columns]:
        """The result of a query piece by piece, at most so many rows in memory at once; a NULL among numbers is NaN, in other columns None."""
        import duckdb  # the whole package: it is what gives a connection `sql`
        import pyarrow as pa

        with self._cursor() as cursor:
            try:
                for batch in cursor.sql(query).to_arrow_reader(rows):
                    self._cancel.raise_if_cancelled()
                    columns = zip(batch.schema.names, batch.columns, strict=True)
                    yield {name: column.to_numpy(zero_copy_only=False) for name, column in columns}
            except (
                pa.ArrowException,
                OSError,
            ) as error:  # that is what the engine's errors become on their way through Arrow
                self._cancel.raise_if_cancelled()
                out_of_memory = str(error).startswith("Out of Memory")
                raise (duckdb.OutOfMemoryException if out_of_memory else duckdb.IOException)(str(error)) from error

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The result of a query as tuples; for small results without time zones."""
        with self._cursor() as cursor:
            return cursor.execute(query).fetchall()

    def execute(self, query: str) -> None:
        """Runs a statement to its end."""
        with self._cursor() as cursor:
            cursor.execute(query).fetchall()

    def load(self, table: str, arrays: Mapping[str, NDArray[np.generic]], expressions: Sequence[str]) -> None:
        """Makes a table of numpy arrays in their order, each through its SQL expression."""
        with self._cursor() as cursor:
            cursor.register("arrays_to_load", dict(arrays))
            cursor.execute(
                f"create or replace table {quoted(table)} as select {', '.join(expressions)} from arrays_to_load"
            )
            cursor.unregister("arrays_to_load")

    def drop(self, table: str) -> None:
        """Forgets a table that `load` or `execute` made."""
        self.execute(f"drop table if exists {quoted(table)}")

    def side_by_side(self, work: Callable[[Item], Result], items: Sequence[Item], *, parallel: bool) -> list[Result]:
        """The results of some work on each item, in their order.

        `parallel` is for queries that the engine runs on one thread each (a positional join is one); the others use all threads
        by themselves and only get in each other's way.
        """
        if len(items) < 2 or not parallel:
            return [work(item) for item in items]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self.settings.threads, thread_name_prefix="scan") as pool:
            futures = [pool.submit(work, item) for item in items]
            try:
                return [future.result() for future in futures]
            finally:
                for future in futures:
                    future.cancel()

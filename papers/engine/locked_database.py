"""A SQLite file of one kind that one process writes: made whole, held by a lock, its troubles told apart."""

import os
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import NamedTuple


class Kind(NamedTuple):
    """What tells the files of a kind from others.

    Attributes
    ----------
    argument : str
        What messages call the file.
    application : int
        SQLite's `application_id`.
    schema : int
        SQLite's `user_version`.
    writer : str
        The command that writes them.
    """

    argument: str
    application: int
    schema: int
    writer: str


@contextmanager
def writing(
    kind: Kind, file: Path, resume: bool, fill: Callable[[sqlite3.Connection], None]
) -> Iterator[sqlite3.Connection]:
    """A new file whose tables `fill` makes, or with `resume` one that is there; nobody else may write it meanwhile.

    Raises ValueError where the file exists (or, to resume, does not), is in use, foreign or damaged, or cannot be
    written.
    """
    from filelock import FileLock, Timeout

    name, file = kind.argument, file.resolve()  # a link's lock is that of what it points to
    if not file.parent.is_dir():
        raise ValueError(f"{name} must lie in a folder that is there, got {str(file)!r}")
    lock = FileLock(file.with_name(f".{file.name}.lemmata-lock"))  # stays: who removes a lock may remove another's
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"{name} must not be in use, got {str(file)!r}, which another process is writing") from None
    except OSError as error:
        raise ValueError(f"{name} must lie where files can be written, got {str(file)!r}: {error.strerror}") from None
    try:
        if resume and not file.exists():
            raise ValueError(f"{name} must be a file that was begun, got {str(file)!r}, which is not there")
        if not resume and file.exists() and (not file.is_file() or file.stat().st_size):
            raise ValueError(f"{name} must be a new file, or be resumed, got {str(file)!r}, which holds something")
        if not resume:
            _create(kind, file, fill)
        with _opened(kind, file, "rw") as connection:
            with asked(kind, file):
                connection.execute("PRAGMA foreign_keys = ON")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
            yield connection
            with suppress(sqlite3.Error):  # a reader may be at it: then the log stays beside the file
                connection.execute("PRAGMA journal_mode = DELETE")
    finally:
        lock.release()


@contextmanager
def reading(kind: Kind, file: Path) -> Iterator[sqlite3.Connection]:
    """A file that is there, finished or not.  Raises ValueError where it is none of the kind."""
    if not file.is_file():
        raise ValueError(
            f"{kind.argument} must be a file that {kind.writer} wrote, got {str(file)!r}, which is not there"
        )
    # who may write opens it so even to read: SQLite then takes up what a killed run has left in its log
    with _opened(kind, file, "rw" if os.access(file, os.W_OK) else "ro") as connection:
        with asked(kind, file):
            connection.execute("PRAGMA query_only = ON")
        yield connection


@contextmanager
def written(kind: Kind, file: Path, connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction: all of it or nothing; ValueError where it cannot be written."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise ValueError(
                f"{kind.argument} must lie where files can be written, got {str(file)!r}: {error}; "
                "what was written is kept"
            ) from None
        raise


@contextmanager
def asked(kind: Kind, file: Path) -> Iterator[None]:
    """What SQLite says of a file that cannot be read, as ValueError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise ValueError(f"{kind.argument} must be a file that can be opened, got {str(file)!r}: {error}") from None
    except sqlite3.DatabaseError as error:
        raise ValueError(f"{kind.argument} must be a whole SQLite file, got {str(file)!r}: {error}") from None


def _create(kind: Kind, file: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """A file that takes its name only when its tables are whole: a kill leaves it or nothing."""
    try:
        handle, name = mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    except OSError as error:
        where = f"got {str(file)!r}: {error.strerror}"
        raise ValueError(f"{kind.argument} must lie where files can be written, {where}") from None
    os.close(handle)
    part = Path(name)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as connection, written(kind, file, connection):
            fill(connection)
            connection.execute(f"PRAGMA application_id = {kind.application}")
            connection.execute(f"PRAGMA user_version = {kind.schema}")
        part.chmod(0o666 & ~_umask())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    """The mask of new files, which mkstemp does not follow."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def _opened(kind: Kind, file: Path, mode: str) -> Generator[sqlite3.Connection, None, None]:
    """A connection to a file of the kind.  Nothing is written to one that is not."""
    with asked(kind, file):
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=10,
            check_same_thread=False,  # a thread may write while this one waits for work
        )
    try:
        connection.row_factory = sqlite3.Row
        with asked(kind, file):
            application, schema = (
                connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in ("application_id", "user_version")
            )
            if application != kind.application:
                raise ValueError(
                    f"{kind.argument} must be a file that {kind.writer} wrote, got {str(file)!r}, of another program"
                )
            if schema != kind.schema:
                raise ValueError(
                    f"{kind.argument} must have schema {kind.schema}, got {str(file)!r} with schema {schema}"
                )
            state = connection.execute("PRAGMA quick_check").fetchone()[0]
            if state != "ok":
                raise sqlite3.DatabaseError(state)
        yield connection
    finally:
        connection.close()

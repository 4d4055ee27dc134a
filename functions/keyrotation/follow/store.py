"""The file that holds the consumer's key: read whole, replaced whole, changed by one process at a time."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyrotation.follow.told import Told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VERSION = 1
HOUR = 3600
# Seconds between two looks for a new key, and for how long an answer is said to be good.
EVERY, LIFETIME = 6 * HOUR, HOUR


class Unusable(Told):
    """A file is not what it should be."""


class Busy(Told):
    """Another process has the store."""


@dataclass(frozen=True)
class AccessKey:
    """An access key; its secret half is in no repr."""

    id: str
    secret: str = field(repr=False)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> AccessKey | None:
        """From AWS's own names. None: no key is in it, or none that can stand on a line of a file."""
        key_id, secret = value.get("AccessKeyId"), value.get("SecretAccessKey")
        if not isinstance(key_id, str) or not isinstance(secret, str):
            return None
        fit = key_id.isascii() and key_id.isalnum() and secret.isascii() and secret.isprintable()
        return cls(key_id, secret) if fit and secret and " " not in secret else None

    def named(self) -> dict[str, str]:
        """By AWS's own names."""
        return {"AccessKeyId": self.id, "SecretAccessKey": self.secret}


@dataclass(frozen=True)
class State:
    """What the store holds. Times and intervals are in seconds, times since 1970.

    `key` is served. `previous` is the one before it, `changed` the time of that change. `offered` was fetched, and the
    command of `refresh --then` has not taken it yet; `handed` is the id of the key that it took last, "" before the
    first one; None: there is no such command. `told` says how the last look ended.
    """

    region: str
    arn: str
    secret: str
    key: AccessKey
    previous: AccessKey | None = None
    changed: float = 0
    offered: AccessKey | None = None
    handed: str | None = None
    looked: float | None = None
    next_look: float = 0
    told: str = ""
    every: float = EVERY
    lifetime: float = LIFETIME

    @property
    def user_name(self) -> str:
        return self.arn.rpartition("/")[2]

    def due(self, now: float) -> bool:
        """It is time to look; also when the next look lies further ahead than one can: a clock was wrong."""
        return not now < self.next_look <= now + self.every

    def without_secrets(self) -> dict[str, Any]:
        """As the file has it, with the ids of the keys alone."""
        return {
            name: value["AccessKeyId"] if name in _KEYS else value for name, value in _written(self).items()
        }


_KEYS = ("key", "previous", "offered")


@dataclass(frozen=True)
class Store:
    """The file at `path`, which is no symbolic link."""

    path: Path

    @classmethod
    def at(cls, path: str) -> Store:
        return cls(Path(path).expanduser().resolve())

    def read(self) -> State:
        """Raises OSError and Unusable."""
        try:
            written = json.loads(self.path.read_text(encoding="utf-8"))
            return _read(written)
        except (ValueError, KeyError, TypeError, AttributeError):
            # The error itself may quote what it could not read.
            raise Unusable(f"{self.path} is not a store of access-key-follow") from None

    def write(self, state: State) -> None:
        """Within `alone`. Raises OSError; the file is then as it was."""
        write_whole(
            self.path, json.dumps({"version": VERSION, **_written(state)}, indent=1) + "\n", mode=0o600
        )

    @contextmanager
    def alone(self, *, wait: float) -> Iterator[None]:
        """No other process changes the store within the block. Raises OSError, Unusable; Busy after `wait` seconds."""
        # Only here: a `serve` between two looks needs no lock, and should not wait for this import.
        from filelock import FileLock  # noqa: PLC0415

        require_ours(self.path)
        lock = FileLock(f"{self.path}.lock", timeout=wait, mode=0o600)
        try:
            lock.acquire()
        except TimeoutError:
            raise Busy(f"another process has had {self.path} for {wait:g} seconds") from None
        try:
            yield
        finally:
            lock.release()

    def open_to_others(self) -> bool:
        """Somebody else than its owner may read it; always False on Windows, which has no such modes."""
        return os.name == "posix" and bool(self.path.stat().st_mode & 0o077)


def require_ours(path: Path) -> None:
    """Raises Unusable for another user's file: replaced by root it would be root's, and its owner shut out."""
    if os.name == "posix" and path.exists() and path.stat().st_uid != os.geteuid():
        raise Unusable(f"{path} belongs to another user: only that user may change it")


def write_whole(path: Path, text: str, *, mode: int) -> None:
    """All of it or nothing, also when the process is killed or the power fails. Raises OSError.

    Written beside the file, flushed, moved over it, the move flushed. One fixed name: what a killed process left there,
    which may be a secret, goes with the next write. One process at a time.
    """
    fresh = path.with_name(f"{path.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            fresh.chmod(mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    _flush(path.parent)


def _flush(directory: Path) -> None:
    if os.name != "posix":  # Windows opens no directory
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _written(state: State) -> dict[str, Any]:
    """By name, without what is not there."""
    values = {**vars(state), **{name: key.named() for name in _KEYS if (key := getattr(state, name))}}
    return {name: value for name, value in values.items() if value is not None}


def _read(written: Mapping[str, Any]) -> State:
    """Raises ValueError, KeyError, TypeError, AttributeError for what is none."""
    if written["version"] != VERSION:
        raise ValueError
    values = {name: value for name, value in written.items() if name != "version"}
    for name in _KEYS:
        if name in values:
            values[name] = AccessKey.of(values[name])
    state = State(**values)
    texts = (state.region, state.arn, state.secret)
    numbers = (state.changed, state.next_look, state.every, state.lifetime)
    if not all(isinstance(each, str) for each in texts) or not all(
        isinstance(each, (int, float)) for each in numbers
    ):
        raise TypeError
    if state.every <= 0 or state.lifetime <= 0 or not isinstance(state.key, AccessKey):
        raise ValueError
    return state

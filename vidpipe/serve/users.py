"""Who may look, and who may change: users with passwords, tokens for programs, both kept as what cannot be undone."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vidpipe.core.errors import ConfigError
from vidpipe.core.files import data_folder, make_folder, write_whole

Role = Literal["admin", "viewer"]
# What OWASP advises where each try shall take little memory: 19 MB.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
LEAST_LENGTH = 8  # of a password
_MOST_LENGTH = 1024
_TOKEN = "vp"  # what a token begins with


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        role: an admin may change what runs, a viewer may look.
        cameras: patterns of the streams that they see.
    """

    name: str
    role: Role = "admin"
    cameras: tuple[str, ...] = ("*",)

    def sees(self, stream: str) -> bool:
        """Whether a stream is theirs to see."""
        return any(fnmatchcase(stream, pattern) for pattern in self.cameras)

    @property
    def sees_all(self) -> bool:
        """Whether every stream is."""
        return "*" in self.cameras


NOBODY_ELSE = Person("local")
"""Who asks where there are no users: this machine alone is let in then."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret: str = Field(repr=False)  # of a user the argon2 hash of the password, of a token SHA-256
    role: Role = "viewer"
    cameras: list[str] = ["*"]

    def person(self, name: str) -> Person:
        return Person(name, self.role, tuple(self.cameras))


class _Book(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    users: dict[str, _Entry] = {}
    tokens: dict[str, _Entry] = {}


def users_path() -> Path:
    """`$VIDPIPE_USERS`, or `~/.local/share/vidpipe/users.json`."""
    return Path(os.environ.get("VIDPIPE_USERS") or data_folder() / "users.json")


class Users:
    """The file of users. It is read again when it has changed, so a user who is removed is out at once.

    Passwords are hashed by argon2id. Tokens are 256 random bits, which nobody guesses: for them SHA-256 is enough, and
    each request of a program needs no 50 ms.

    Args:
        path: of the file; it need not be there.

    Raises:
        ConfigError: it is damaged, or cannot be read. Each method raises it, too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._unknown = HASHER.hash(secrets.token_hex(16))  # so that an unknown name takes as long as a known one
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._book = _Book()
        self._read()

    @property
    def any(self) -> bool:
        """Whether there is a user: then everybody has to say who they are."""
        return bool(self._read().users)

    def user(self, name: str) -> Person | None:
        """A user, by name."""
        entry = self._read().users.get(name)
        return None if entry is None else entry.person(name)

    def by_password(self, name: str, password: str) -> Person | None:
        """The user who has that password; takes tens of milliseconds, also where there is none."""
        entry = self._read().users.get(name)
        try:
            HASHER.verify(self._unknown if entry is None else entry.secret, password[:_MOST_LENGTH])
        except (VerificationError, InvalidHashError):
            return None
        return None if entry is None else entry.person(name)

    def by_token(self, token: str) -> Person | None:
        """Whom a program asks for."""
        kind, _, rest = token.partition("_")
        name, _, secret = rest.rpartition("_")
        entry = self._read().tokens.get(name)
        if kind != _TOKEN or entry is None or not hmac.compare_digest(entry.secret, _sha256(secret)):
            return None
        return entry.person(name)

    def add_user(self, name: str, password: str, role: Role, cameras: Sequence[str]) -> None:
        """Have a user, in place of one of that name."""
        _check_name(name)
        if len(password) < LEAST_LENGTH:
            raise ConfigError(f"a password has at least {LEAST_LENGTH} characters")
        self._change("users", name, _Entry(secret=HASHER.hash(password), role=role, cameras=list(cameras)))

    def add_token(self, name: str, role: Role, cameras: Sequence[str]) -> str:
        """Have a token for a program, in place of one of that name; it is told this once."""
        _check_name(name)
        secret = secrets.token_hex(32)
        self._change("tokens", name, _Entry(secret=_sha256(secret), role=role, cameras=list(cameras)))
        return f"{_TOKEN}_{name}_{secret}"

    def remove(self, name: str) -> None:
        """Remove the user and the token of that name; raises ConfigError where there is neither."""
        with self._lock:
            book = self._fresh()
            gone = [part.pop(name, None) for part in (book.users, book.tokens)]
            if not any(gone):
                raise ConfigError(f"there is no user or token '{name}' in {self.path}")
            self._write(book)

    def _change(self, part: Literal["users", "tokens"], name: str, entry: _Entry) -> None:
        with self._lock:
            book = self._fresh()
            getattr(book, part)[name] = entry
            self._write(book)

    def _write(self, book: _Book) -> None:
        make_folder(self.path.parent)
        write_whole(self.path, book.model_dump_json(indent=2) + "\n", "users", private=True)

    def _read(self) -> _Book:
        with self._lock:
            return self._fresh()

    def _fresh(self) -> _Book:
        try:
            known = self.path.stat()
        except FileNotFoundError:
            self._stamp, self._book = None, _Book()
            return self._book
        except OSError as error:
            raise ConfigError(f"users {self.path} cannot be read: {error.strerror}") from None
        stamp = known.st_ino, known.st_mtime_ns, known.st_size
        if stamp != self._stamp:
            self._book = _parsed(self.path)
            self._stamp = stamp
        return self._book


def _parsed(path: Path) -> _Book:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        return _Book.model_validate(content)
    except OSError as error:
        raise ConfigError(f"users {path} cannot be read: {error.strerror}") from None
    except (ValueError, ValidationError):
        raise ConfigError(f"users {path} is damaged: remove it, and add users by `vidpipe serve --add-user`") from None


def _check_name(name: str) -> None:
    if not name or len(name) > 64 or not name.isprintable():
        raise ConfigError("a name of a user or token has 1 to 64 characters that can be printed")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

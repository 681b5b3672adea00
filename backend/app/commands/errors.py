"""Errors of the command line end as one sentence, never as a traceback (unless STEMPEL_DEBUG is set)."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError


class CommandError(Exception):
    """The command cannot do what was asked; the message is a sentence for whoever typed it."""


class StopRequested(BaseException):
    """Ctrl-C or SIGTERM: not an error, and not to be caught by `except Exception`."""


def describe(error: BaseException) -> str:
    """Return the sentence for an error."""
    from app.backup.refusals import BackupRefused
    from app.db.embedded import EmbeddedPostgresError
    from app.db.keycheck import ForeignKeys
    from app.db.migrate import MigrationBusy
    from app.db.session import UnsafeDatabase
    from app.setting_rules import UnusableSetting

    own = CommandError | EmbeddedPostgresError | ForeignKeys | UnsafeDatabase | BackupRefused | MigrationBusy
    if isinstance(error, own | UnusableSetting):
        return str(error)
    if isinstance(error, ValidationError):
        return "A setting is not usable. " + " ".join(_setting_sentence(part) for part in error.errors())
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    if isinstance(error, ConnectionError | TimeoutError | socket.gaierror):
        return f"A service could not be reached ({error}). ./stempel doctor says which."
    kind = type(error).__name__
    return f"This should not have happened: {kind}: {error}. STEMPEL_DEBUG=1 shows where."


def _setting_sentence(part: Mapping[str, Any]) -> str:
    from app.commands.settings_check import setting_fault

    name, sentence = setting_fault(part)
    return f"{name}: {sentence}" if name else sentence


def run_with_sentences(command: Callable[[], object]) -> None:
    """Run a command; every error becomes a sentence and exit status 1."""
    if os.environ.get("STEMPEL_DEBUG"):
        command()
        return
    try:
        command()
    except StopRequested:
        sys.exit(0)
    except Exception as error:
        print(f"stempel: {describe(error)}", file=sys.stderr)
        sys.exit(1)

"""One function for each rule: a file goes in, problems come out. Each has good and bad examples in tests/."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator

from tools.lint.sources import SourceFile

Rule = Callable[[SourceFile], Iterator[tuple[int, str]]]

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
HANDLER_LINES_MAX = 15
ROUTE_METHODS = frozenset({"get", "post", "put", "patch", "delete", "head", "options", "api_route"})
CLOCK_FILE = "app/kernel/clock.py"
# A new key signs from a moment that all processes of the machine agree on; a demo that moves its clock must not.
KEY_FILE = "app/utils/security.py"
ID_FILE = "app/utils/id_generator.py"
CLOCK_CALLS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
}
PURE_KERNEL = ("app.kernel.money", "app.kernel.outcomes", "app.kernel.ledger", "app.kernel.reports")
# Pure functions that rules may use besides, by name: nothing else of their files.
PURE_BESIDES = {
    "app.kernel.i18n.msg": "marks a text for the catalogues and returns it unchanged",
    "app.kernel.own_words.own_words": "picks a text out of a mapping by language",
    "app.utils.id_generator.parse_card_number": "reads a typed number",
    "app.utils.security.b64": "bytes to text",
    "app.utils.security.unb64": "text to bytes",
    "app.utils.validators.without_links": "breaks up what could be an address in a text",
    "zxcvbn.zxcvbn": "judges a password by word lists it carries",
}
IMPURE_STANDARD = frozenset(
    {"asyncio", "os", "socket", "subprocess", "pathlib", "random", "secrets", "threading", "urllib"}
)
HTTP_CLIENTS = frozenset({"httpx2", "httpcore2", "httpx", "requests", "aiohttp", "pycurl", "aiosmtplib"})
HTTP_FILES = re.compile(r"(^|/)(jobs|smtp|client|adapters?|[a-z_]+_adapter)(\.py|/)")


def _functions(file: SourceFile) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(file.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _calls(file: SourceFile) -> Iterator[ast.Call]:
    return (node for node in ast.walk(file.tree) if isinstance(node, ast.Call))


def imports_of(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything the file imports, also inside functions."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def no_commit_in_modules(file: SourceFile) -> Iterator[tuple[int, str]]:
    """The transaction belongs to the edge: one request, one commit before the answer."""
    if not file.in_module:
        return
    for call in _calls(file):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit":
            yield call.lineno, "modules never commit; the request's transaction does"


def one_clock(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Only the kernel's clock asks the machine for the time."""
    if not file.in_app or file.path == CLOCK_FILE:
        return
    for call in _calls(file):
        if not isinstance(call.func, ast.Attribute):
            continue
        owner = call.func.value
        name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
        if file.path == KEY_FILE and (name, call.func.attr) == ("time", "time"):
            continue
        is_clock = (name, call.func.attr) in CLOCK_CALLS
        is_id_time = (name, call.func.attr) == ("time", "time_ns") and file.path != ID_FILE
        if is_clock or is_id_time:
            yield call.lineno, f"{name}.{call.func.attr}() is the clock's business; take `now` as an argument"


def no_patched_code(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Tests pass a fake; they do not patch our own code by its name."""
    for call in _calls(file):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        first = call.args[0] if call.args else None
        if name == "patch" and isinstance(first, ast.Constant) and str(first.value).startswith("app."):
            yield call.lineno, "pass a fake instead of patching our own code"


def no_chained_unequal(file: SourceFile) -> Iterator[tuple[int, str]]:
    """`a != b != c` does not compare a with c."""
    for node in ast.walk(file.tree):
        if (
            isinstance(node, ast.Compare)
            and len(node.ops) > 1
            and any(isinstance(op, ast.NotEq) for op in node.ops)
        ):
            yield node.lineno, "write two comparisons; a chain with != does not mean what it reads like"


def no_background_tasks(file: SourceFile) -> Iterator[tuple[int, str]]:
    """Work after the answer is a job, or it is lost with the process."""
    for line, name in imports_of(file):
        if name.rpartition(".")[2] in {"BackgroundTasks", "BackgroundTask"}:
            yield line, "enqueue a job; a background task dies with its process"


def no_open_ends(file: SourceFile) -> Iterator[tuple[int, str]]:
    """What is not done is an issue, not a mark in the code."""
    for token in tokenize.generate_tokens(io.StringIO(file.text).readline):
        if token.type == tokenize.COMMENT and re.search(r"\b(TODO|FIXME|XXX|HACK)\b", token.string):
            yield token.start[0], "finish it, or write an issue"


def small_file(file: SourceFile) -> Iterator[tuple[int, str]]:
    """A file is read in one sitting."""
    lines = len(file.text.splitlines())
    if file.in_app and lines > FILE_LINES_MAX:
        yield lines, f"{lines} lines, at most {FILE_LINES_MAX}"


def small_functions(file: SourceFile) -> Iterator[tuple[int, str]]:
    """A function fits on a screen."""
    if not file.in_app:
        return
    for function in _functions(file):
        lines = (function.end_lineno or 0) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield function.lineno, f"{function.name} has {lines} lines, at most {FUNCTION_LINES_MAX}"


def _is_handler(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in ROUTE_METHODS
        for decorator in function.decorator_list
    )


def thin_handlers(file: SourceFile) -> Iterator[tuple[int, str]]:
    """A handler parses, calls one use case and presents. Counted without signature and docstring."""
    if not file.in_module:
        return
    for function in _functions(file):
        if not _is_handler(function):
            continue
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > HANDLER_LINES_MAX:
            yield function.lineno, f"{function.name} has {lines} lines, at most {HANDLER_LINES_MAX}"


def pure_rules(file: SourceFile) -> Iterator[tuple[int, str]]:
    """rules.py decides: standard library, money, outcomes, the ledger's arithmetic, other rules; no await."""
    if not file.in_module or file.name != "rules":
        return
    own = ".".join(file.path.split("/")[:3])
    allowed = (*PURE_KERNEL, f"{own}.rules")
    for line, name in imports_of(file):
        top = name.partition(".")[0]
        is_other_rule = name.startswith("app.modules.") and name.split(".")[3:4] == ["public"]
        is_ours = name.startswith(allowed) or is_other_rule
        if name in PURE_BESIDES:
            continue
        if top == "app" and not is_ours:
            yield line, f"rules may not import {name}"
        elif top in IMPURE_STANDARD or (top != "app" and top not in sys.stdlib_module_names):
            yield line, f"rules may not import {name}"
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Await | ast.AsyncFunctionDef | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, "rules wait for nothing"


def outside_calls_in_adapters(file: SourceFile) -> Iterator[tuple[int, str]]:
    """The world is spoken to from jobs and adapters, never inside a request's transaction."""
    if not file.in_app or HTTP_FILES.search(file.path):
        return
    for line, name in imports_of(file):
        if name.partition(".")[0] in HTTP_CLIENTS:
            yield line, f"{name.partition('.')[0]} belongs into an adapter or a job"


RULES: tuple[Rule, ...] = (
    no_commit_in_modules,
    one_clock,
    no_patched_code,
    no_chained_unequal,
    no_background_tasks,
    no_open_ends,
    small_file,
    small_functions,
    thin_handlers,
    pure_rules,
    outside_calls_in_adapters,
)

"""What the demo shows in the terminal: progress while it prepares, then where to go."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import segno
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn


class Steps:
    """The progress display: one line a step, ticked off as it is done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            console=console,
        )
        self._current: TaskID | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the display while the block runs."""
        with self._progress:
            yield

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show one step as running, then as done."""
        self._current = self._progress.add_task(title, total=None)
        if not self.console.is_terminal:
            # Without a terminal nothing is drawn until the end; a plain line says that it goes on.
            self.console.print(f"{title} ...", highlight=False)
        yield
        self._progress.update(self._current, total=1, completed=1)
        self._current = None

    def report(self, *parts: object) -> None:
        """Show how far the current step is: (done, total) or (done, total, text)."""
        if self._current is None:
            return
        numbers = [part for part in parts if isinstance(part, int | float)]
        words = [part for part in parts if isinstance(part, str)]
        if len(numbers) >= 2 and numbers[1]:
            # The last bit belongs to the step's own end.
            self._progress.update(self._current, total=float(numbers[1]), completed=float(numbers[0]) * 0.999)
        if words:
            self._progress.update(self._current, description=words[-1])


def print_welcome(console: Console, demo: Mapping[str, Any], *, data_dir: str, lan: bool) -> None:
    """Print the addresses, the sign-in and the PINs."""
    base = str(demo["base_url"])
    console.print()
    console.print("[bold]Stempel is running.[/bold] Ctrl-C ends it; the data stays.", highlight=False)
    console.print()
    rows = [
        ("Dashboard", f"{base}/dashboard"),
        ("Staff", f"{base}/staff"),
        ("Mailbox", f"{base}/demo/mailbox"),
    ]
    rows.append(("API docs", f"{base}/docs"))
    for title, address in rows:
        console.print(f"  {title:<12} {address}", highlight=False, soft_wrap=True)
    operator = demo.get("operator")
    if operator:
        _print_operator(console, base, operator)
    merchants: Sequence[Mapping[str, Any]] = demo.get("merchants", [])
    if not merchants:
        console.print(f"  {'Sign up':<12} {base}/sign-up", highlight=False, soft_wrap=True)
    for merchant in merchants:
        _print_merchant(console, merchant)
    console.print()
    console.print(f"Data, logs and demo.json: {data_dir}", highlight=False, markup=False, soft_wrap=True)
    if lan:
        _print_qr(console, base, merchants)


def _print_operator(console: Console, base: str, operator: Mapping[str, Any]) -> None:
    console.print(f"  {'Operator':<12} {base}/operator", highlight=False, soft_wrap=True)
    console.print(
        f"  {'':<12} {operator['name']}   {operator['password']}   app key {operator['key']}",
        highlight=False,
        soft_wrap=True,
    )


def _print_merchant(console: Console, merchant: Mapping[str, Any]) -> None:
    console.print()
    console.print(f"[bold]{merchant['name']}[/bold]", highlight=False)
    console.print(
        f"  {'Sign-in':<12} {merchant['email']}   {merchant['password']}", highlight=False, soft_wrap=True
    )
    for store in merchant.get("stores", []):
        console.print(f"  {store['name']} ({store['loyalty_type']})", highlight=False)
        console.print(f"    {'Join':<10} {store['join_url']}", highlight=False, soft_wrap=True)
        pins = ", ".join(f"{person['name']} {person['pin']}" for person in store.get("staff", []))
        if pins:
            console.print(f"    {'PINs':<10} {pins}", highlight=False, soft_wrap=True)


def _print_qr(console: Console, base: str, merchants: Sequence[Mapping[str, Any]]) -> None:
    stores = [store for merchant in merchants for store in merchant.get("stores", [])]
    address = str(stores[0]["join_url"]) if stores else base
    console.print()
    console.print(f"On a phone in the same network: {address}", highlight=False, soft_wrap=True)
    picture = io.StringIO()
    segno.make(address, error="l").terminal(out=picture, compact=True, border=2)
    console.file.write(picture.getvalue())

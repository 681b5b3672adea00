"""A merchant's shop in the process under test: what the tests of every feature do with one."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2

from app.db.session import Database
from app.kernel.clock import FixedClock
from app.kernel.jobs import JobContext
from app.kernel.jobs.runner import JobRunner
from app.kernel.permissions import Principal
from app.process import Process


@dataclass
class OpenShop:
    """A store of a merchant, and the PIN of somebody at its till; a feature's tests add what is their own."""

    process: Process
    clock: FixedClock
    merchant: Any
    store: Any
    pin: str

    @property
    def database(self) -> Database:
        """Return the database."""
        return self.process.database

    @property
    def owner(self) -> Principal:
        """Return who sets things up."""
        return Principal("member", self.merchant.id, self.merchant.owner_id, role="owner")

    def context(self) -> JobContext:
        """Return what a job of this shop gets."""
        return self.context_of(self.merchant.id)

    def context_of(self, merchant_id: UUID | None) -> JobContext:
        """Return what a job of a merchant gets; of None, what the pollers get."""
        made = self.process
        return JobContext(
            made.database, made.settings, self.clock, made.registry, made.resources, merchant_id=merchant_id
        )

    async def drain(self, module: str) -> None:
        """Let a worker that knows one module only run what is due of it."""
        made = self.process
        only = copy(made.registry)
        only.modules = (only.by_name[module],)
        runner = JobRunner(made.database, only, made.settings, self.clock, resources=made.resources)
        await runner.drain()

    async def enter_purchase(self, client: httpx2.AsyncClient, pass_id: UUID, amount: str) -> dict[str, Any]:
        """Enter a purchase at the till with the PIN, and see it granted."""
        body = {"pass_id": str(pass_id), "staff_pin": self.pin, "amount": amount}
        answer = await client.post(f"/points/{self.store.id}", json=body)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def take_back(
        self, client: httpx2.AsyncClient, visit_id: str, *, pin: str, force: bool
    ) -> httpx2.Response:
        """Ask for a visit to be taken back."""
        body = {"store_id": str(self.store.id), "staff_pin": pin, "reason": "wrong", "force": force}
        return await client.post(f"/visits/{visit_id}/void", json=body)

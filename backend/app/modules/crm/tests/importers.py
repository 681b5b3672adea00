"""A merchant who imports, and the files."""

from __future__ import annotations

import re

from sqlalchemy import select, text

from app.db.session import tenant_scope
from app.kernel.jobs import JobContext
from app.kernel.jobs.runner import JobRunner
from app.kernel.ledger import INVARIANT
from app.modules.crm.models import ImportRun
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store

HTML = {"Accept": "text/html"}
URL = "/dashboard/customers/imports"

FILE = (
    "Name,Email,Phone,Newsletter,Stamps,Points\n"
    "Ada,ada@example.com,+352621111111,yes,3,50\n"
    "Bob,bob@example.com,,no,0,0\n"
    "Ada again,ADA@example.com,,yes,1,1\n"
    "Eve,not an address,,yes,0,0\n"
    "Old,old@example.com,+352621222222,yes,9,9\n"
)
COLUMNS = {
    "column_name": "0", "column_email": "1", "column_phone": "2",
    "column_consent": "3", "column_stamps": "4", "column_points": "5",
}  # fmt: skip
STATED = {"stated": "true", "statement": "Newsletter box on the old website, 2024"}


def many(count: int) -> str:
    """Return a file with so many people."""
    return "Name,Email,Points\n" + "".join(f"P{n},p{n}@example.com,5\n" for n in range(count))


class Shop:
    """A merchant who imports."""

    def __init__(self, client, database, process) -> None:
        self.client, self.database, self.process = client, database, process

    async def open(self):
        self.merchant = await make_merchant(self.database)
        self.store = await make_store(self.database, self.merchant, "hybrid")
        return self

    async def post(self, path, page=URL, files=None, **data):
        self.client.cookies.clear()
        self.client.cookies.update(self.merchant.cookies)
        shown = await self.client.get(page, headers=HTML)
        token = re.search(r'name="csrf" value="([^"]+)"', shown.text).group(1)
        return await self.client.post(path, data={"csrf": token, **data}, files=files, headers=HTML)

    async def upload(self, content, name="people.csv"):
        data = content.encode() if isinstance(content, str) else content
        answer = await self.post(URL, files={"file": (name, data, "text/csv")})
        assert answer.status_code == 303, answer.text[:200]
        return answer.headers["location"]

    async def work(self):
        parts = self.process
        runner = JobRunner(
            parts.database, parts.registry, parts.settings, parts.clock, resources=parts.resources
        )
        await runner.drain()

    async def bring(self, content, **plan):
        """Upload, check and start; returns the address."""
        url = await self.upload(content)
        assert (await self.post(f"{url}/check", url, **plan)).status_code == 303
        await self.work()
        assert (await self.post(f"{url}/start", url)).status_code == 303
        await self.work()
        return url

    async def run(self, url):
        async with tenant_scope(self.database, self.merchant.id) as session:
            return (
                await session.scalars(select(ImportRun).where(ImportRun.id == url.rpartition("/")[2]))
            ).one()

    async def ask(self, query, **values):
        async with tenant_scope(self.database, self.merchant.id) as session:
            return (await session.execute(text(query), values)).all()

    async def people(self):
        rows = await self.ask("SELECT name, email, phone FROM customer WHERE erased_at IS NULL ORDER BY id")
        return [tuple(row) for row in rows]

    def context(self):
        names = ("database", "settings", "clock", "registry", "resources")
        return JobContext(
            **{name: getattr(self.process, name) for name in names}, merchant_id=self.merchant.id
        )

    async def check_ledgers(self):
        async with tenant_scope(self.database, self.merchant.id) as session:
            assert [row for _n, check in INVARIANT.items() for row in await check(session)] == []

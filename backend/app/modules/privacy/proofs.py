"""Proof of consents: every record with the wording that was shown, as lines that can be checked again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.session import Database, tenant_scope
from app.modules.customers.public import ConsentRecord
from app.modules.privacy.rules import proof_hash

PAGE = 1_000
FIELDS = (
    *("id", "customer_id", "given", "text", "text_version", "purpose", "channel", "locale", "source", "at"),
    *("address_mac", "confirms", "evidence", "sha256"),
)


def proof_of(record: ConsentRecord) -> dict[str, object]:
    """Return a consent as it is exported. address_mac: the keyed hash of the address it was given for."""
    proof: dict[str, object] = {
        "id": str(record.id),
        "customer_id": str(record.customer_id),
        "given": record.given,
        "text": record.text_shown,
        "text_version": record.text_version,
        "purpose": record.purpose,
        "channel": record.channel,
        "locale": record.locale,
        "source": record.source,
        "at": record.at.isoformat(),
        "address_mac": record.address_mac.hex() if record.address_mac else None,
        "confirms": str(record.confirms) if record.confirms else None,
        "evidence": record.evidence,
    }
    return proof | {"sha256": proof_hash(proof)}


async def list_proofs(
    session: AsyncSession,
    merchant_id: UUID,
    *,
    customer_id: UUID | None = None,
    after: UUID | None = None,
    limit: int = PAGE,
) -> list[dict[str, object]]:
    """Return consents, oldest first; of one customer, or a page of all after an id."""
    statement = select(ConsentRecord).where(ConsentRecord.merchant_id == merchant_id)
    if customer_id is not None:
        statement = statement.where(ConsentRecord.customer_id == customer_id)
    if after is not None:
        statement = statement.where(ConsentRecord.id > after)
    rows = await session.scalars(statement.order_by(ConsentRecord.id).limit(limit))
    return [proof_of(row) for row in rows]


async def read_proofs(database: Database, merchant_id: UUID) -> AsyncIterator[dict[str, object]]:
    """Yield every consent of a merchant, page by page, each page in a transaction of its own."""
    after: UUID | None = None
    while True:
        async with tenant_scope(database, merchant_id) as session:
            page = await list_proofs(session, merchant_id, after=after)
        for proof in page:
            yield proof
        if len(page) < PAGE:
            return
        after = UUID(str(page[-1]["id"]))

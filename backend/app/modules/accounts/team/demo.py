"""A team for the demo's shops, so that its page has something to show."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import insert

from app.db.lookup import add_lookup
from app.kernel.adapters import resources_of
from app.kernel.points import DemoShop
from app.modules.accounts.members import get_owner
from app.modules.accounts.models import Member, MemberInvitation
from app.modules.accounts.rules import INVITATION_LIFETIME
from app.modules.merchants.public import EMAIL_LOOKUP, email_key
from app.utils.id_generator import new_id
from app.utils.security import Keyring, hash_token, new_token

# Name, role, how long ago they joined. They sign in with the owner's password.
TEAM = (("Claire Weber", "manager", 200), ("Tom Schmit", "cashier", 90), ("Nadia Rossi", "analyst", 30))


async def add_team(shop: DemoShop) -> None:
    """Add three members and an open invitation to a demo shop."""
    owner = await get_owner(shop.session, shop.merchant_id)
    domain = owner.email.rpartition("@")[2]
    keyring = resources_of(shop.session).get(Keyring)
    stores = list(shop.stores.values())
    for name, role, days in TEAM:
        member_id, email = new_id(), f"{name.partition(' ')[0].lower()}@{domain}"
        key = email_key(keyring, email)
        if not await add_lookup(
            shop.session, EMAIL_LOOKUP, key, merchant_id=shop.merchant_id, target_id=member_id
        ):
            continue
        joined_at = shop.now - timedelta(days=days)
        await shop.session.execute(
            insert(Member).values(
                merchant_id=shop.merchant_id,
                id=member_id,
                email=email,
                password_hash=owner.password_hash,
                name=name,
                role=role,
                store_ids=stores[:1] if role == "cashier" else [],
                invited_at=joined_at - timedelta(days=1),
                invited_by=owner.id,
                joined_at=joined_at,
            )
        )
    shop.session.add(
        MemberInvitation(
            merchant_id=shop.merchant_id,
            id=new_id(),
            email=f"jules@{domain}",
            name="Jules Muller",
            role="manager",
            store_ids=[],
            token_hash=hash_token(new_token()),
            invited_at=shop.now - timedelta(days=2),
            invited_by=owner.id,
            expires_at=shop.now - timedelta(days=2) + INVITATION_LIFETIME,
        )
    )

"""Making a card, who may open it, and what a known e-mail does."""

from app.db.session import tenant_scope
from app.modules.cards.factories import make_card
from app.modules.cards.public import find_card, read_card_token
from app.modules.merchants.factories import make_merchant
from app.modules.stores.factories import make_store


async def test_a_card_is_found_by_id_and_number(database):
    """Pass id and card number, however it is typed, lead to the same card."""
    merchant = await make_merchant(database)
    store = await make_store(database, merchant)
    made = await make_card(database, store, stamps=3, points=20, name="Ada")

    async with tenant_scope(database, merchant.id) as session:
        by_id = await find_card(session, merchant.id, str(made.id))
        by_number = await find_card(
            session, merchant.id, f" {made.card_number[:4].lower()}-{made.card_number[4:]}"
        )
        by_token = await read_card_token(session, made.token)

    assert by_id is not None
    assert by_id == by_number == by_token
    assert by_id.customer_id == made.customer_id

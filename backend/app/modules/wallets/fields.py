"""The foundation's own lines on a card: stamps, points, the holder's name."""

from __future__ import annotations

from app.kernel.i18n import current
from app.kernel.points import CardContext
from app.modules.stores.public import get_program
from app.modules.wallets.hooks import PassField
from app.modules.wallets.queries import find_balances, find_card_with_holder
from app.modules.wallets.view import points_message

SEVERAL = 2


async def stamps_field(context: CardContext) -> list[PassField]:
    """Return "7 / 10" for programmes that give stamps."""
    card = await find_balances(context.session, context.merchant_id, context.pass_id)
    if card is None:
        return []
    program = await get_program(context.session, context.merchant_id, card.program_id)
    if program.loyalty_type == "points":
        return []
    speak = current()
    return [
        PassField(
            key="stamps",
            label=speak.gettext("Stamps"),
            value=f"{speak.format_number(card.stamp_count)} / {speak.format_number(program.stamps_needed)}",
            # The wallet puts the new value, "7 / 10", where %@ stands.
            change_message=speak.gettext("You now have %(count)s stamps", count="%@"),
            place="header",
            order=10,
        )
    ]


async def points_field(context: CardContext) -> list[PassField]:
    """Return the points for programmes that give them."""
    card = await find_balances(context.session, context.merchant_id, context.pass_id)
    if card is None:
        return []
    program = await get_program(context.session, context.merchant_id, card.program_id)
    if program.loyalty_type == "stamps":
        return []
    speak = current()
    return [
        PassField(
            key="points",
            label=speak.gettext("Points"),
            value=card.points_balance,
            change_message=points_message("%@", SEVERAL, speak),
            place="header" if program.loyalty_type == "points" else "secondary",
            order=20,
        )
    ]


async def holder_field(context: CardContext) -> list[PassField]:
    """Return the holder's name where it is known."""
    found = await find_card_with_holder(context.session, context.merchant_id, context.pass_id)
    if found is None or not found[1]:
        return []
    return [PassField("holder", current().gettext("Name"), found[1], place="auxiliary", order=30)]

"""After a restore wallets may show more than the database knows: what makes them ask, and be told, again."""

from __future__ import annotations

_WITH_WALLET = """(card.apple_auth_token IS NOT NULL OR EXISTS (
    SELECT 1 FROM google_object g WHERE g.merchant_id = card.merchant_id AND g.pass_id = card.id))"""

# Run by the database's owner at the end of a restore, in its transaction.
AFTER_RESTORE = (
    # Tags that were given out after the backup are with the devices: the next ones must lie above them.
    """INSERT INTO update_counter AS known (name, value) VALUES ('card', 1000000000)
        ON CONFLICT (name) DO UPDATE SET value = known.value + 1000000000""",
    # A phone that asks "modified since?" must not be told no, although it knows a later state.
    f"""UPDATE pass_object card SET revision = revision + 1,
        changed_at = greatest(now(), date_trunc('second', changed_at) + interval '1 second')
        WHERE {_WITH_WALLET}""",
    # What Google was last sent is not what is noted. A card that is over stays known to it; the others are sent whole,
    # which notifies nobody.
    """UPDATE google_object g SET busy_until = NULL, sent = CASE
        WHEN (SELECT status FROM pass_object card WHERE card.merchant_id = g.merchant_id AND card.id = g.pass_id)
            IN ('active', 'blocked') THEN '{}'::jsonb
        ELSE coalesce((SELECT jsonb_object_agg(key, '?') FROM jsonb_object_keys(sent) AS key), '{}') END""",
    "UPDATE google_class SET sent = '{}'",
    f"""INSERT INTO card_refresh (merchant_id, pass_id)
        SELECT merchant_id, id FROM pass_object card WHERE {_WITH_WALLET} ON CONFLICT DO NOTHING""",
)

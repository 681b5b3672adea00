"""The Google rendering of a card: brings class and object up to date, with as few requests as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.session import Database, tenant_scope
from app.kernel.adapters import Resources, resources_of
from app.kernel.jobs import GiveUp, JobContext, TryAgain
from app.modules.cards.public import card_token
from app.modules.customers.public import get_customer
from app.modules.wallets.google_wallet.accounts import GoogleAccount, find_account
from app.modules.wallets.google_wallet.adapters import Answer, GoogleClient, fault_of
from app.modules.wallets.google_wallet.bodies import BodyMaker, message_body
from app.modules.wallets.google_wallet.models import GoogleObjectRow
from app.modules.wallets.google_wallet.pace import PacedGoogle, Unanswered
from app.modules.wallets.google_wallet.rules import (
    NOTIFIED_FIELDS,
    OPTIONAL_FIELDS,
    changed_fields,
    distrust,
    hash_fields,
    may_notify,
    recent,
)
from app.modules.wallets.google_wallet.rules import object_id as make_object_id
from app.modules.wallets.google_wallet.store import (
    SentObject,
    find_object,
    find_sent_class,
    lease_object,
    note_pass_id,
    release_object,
    write_class,
    write_object,
)
from app.modules.wallets.messages.rules import CardMessage, merge_messages
from app.modules.wallets.messages.service import list_google_messages, note_google
from app.modules.wallets.queries import find_card_with_holder
from app.modules.wallets.view import card_view
from app.utils.security import Keyring

CLASSES, OBJECTS = "/loyaltyClass", "/loyaltyObject"
BUSY_WAIT = timedelta(seconds=3)
PATIENT_AFTER, PATIENT_WAIT = 30, timedelta(minutes=2)
VANISHED_WAIT, VANISHED_TRIES_MAX = timedelta(seconds=20), 8
SETTLED = frozenset({"merged", "erased"})


@dataclass(frozen=True)
class Plan:
    """Everything that was read for one card, before anybody is called."""

    account: GoogleAccount
    program_id: UUID
    class_body: dict[str, Any]
    object_body: dict[str, Any]
    class_sent: dict[str, str]
    known: SentObject
    is_reward: bool = False
    status: str = "active"
    waiting: tuple[CardMessage, ...] = ()
    trying: tuple[CardMessage, ...] = ()


@dataclass
class CardSync:
    """One card's way to Google; made for one run."""

    database: Database
    google: PacedGoogle
    merchant_id: UUID
    pass_id: UUID
    now: datetime
    # Counted so far, and of these the ones that are known to be spent.
    notified: list[str] = field(default_factory=list)
    confirmed: list[str] = field(default_factory=list)
    is_silenced: bool = False
    done: dict[str, Any] = field(default_factory=dict)

    def _tenant(self) -> AbstractAsyncContextManager[AsyncSession]:
        return tenant_scope(self.database, self.merchant_id)

    async def run(self) -> None:
        """Send what changed; raises TryAgain or GiveUp. No transaction is open while Google is asked."""
        plan = await self._plan()
        if plan is None:
            return
        try:
            await self._ensure_class(plan)
            sent = await self._send_object(plan)
            self.done = {"sent": sent, "updated_at": self.now, "object_id": plan.object_body["id"]}
            await self._send_messages(plan)
        except BaseException as error:
            # An answer says that a notification was not given; without one it counts.
            if isinstance(error, TryAgain | GiveUp) and not isinstance(error, Unanswered):
                self.done |= {"notified": self.confirmed} if self.notified != self.confirmed else {}
            async with self._tenant() as session:
                await release_object(session, self.merchant_id, self.pass_id, **self.done)
            raise
        if self.is_silenced:
            self.done["silenced"] = GoogleObjectRow.silenced + 1
        async with self._tenant() as session:
            await release_object(session, self.merchant_id, self.pass_id, **self.done)
            await note_pass_id(session, self.merchant_id, self.pass_id, plan.object_body["id"])

    async def _plan(self) -> Plan | None:
        async with self._tenant() as session:
            account = await find_account(session, self.merchant_id)
            if account is None:
                return None
            resources = resources_of(session)
            maker = BodyMaker(account, resources.get(Settings).public_url, resources.get(Keyring))
            if await find_object(session, self.merchant_id, self.pass_id) is None:
                return None  # nobody asked for this card's pass
            # While everybody waits for Google, the card is neither read nor drawn.
            await self.google.check_pause(session, account, now=self.now)
            found = await find_card_with_holder(session, self.merchant_id, self.pass_id)
            if found is None:
                return None
            card = found[0]
            locale = (await get_customer(session, self.merchant_id, card.customer_id)).locale
            # The lease comes before the card is read: what another worker sends meanwhile is older than this.
            object_id = make_object_id(account.issuer_id, self.merchant_id, self.pass_id)
            known = await lease_object(session, self.merchant_id, self.pass_id, object_id=object_id)
        if known is None:
            raise TryAgain("another worker has this card", BUSY_WAIT)
        async with self._tenant() as session:
            view = await card_view(session, self.merchant_id, self.pass_id, locale=locale, now=self.now)
            token = card_token(maker.keyring, card) if known.wanted_at else None
            body = maker.class_body(view)
            plan = Plan(
                account=account,
                program_id=view.program_id,
                class_body=body,
                object_body=maker.object_body(view, card_token=token),
                class_sent=await find_sent_class(
                    session, self.merchant_id, view.program_id, class_id=body["id"]
                ),
                known=known,
                is_reward=view.reward_unlocked,
                status=view.status,
                waiting=await list_google_messages(
                    session, self.merchant_id, self.pass_id, state="waiting", now=self.now
                ),
                trying=await list_google_messages(
                    session, self.merchant_id, self.pass_id, state="trying", now=self.now
                ),
            )
            if view.status in SETTLED and not known.sent:
                # Google never heard of this card, and need not hear that it has ended.
                await release_object(session, self.merchant_id, self.pass_id)
                return None
        return plan

    async def _ensure_class(self, plan: Plan) -> None:
        body = plan.class_body
        changed = changed_fields(body, plan.class_sent)
        if not changed:
            return
        if plan.class_sent:
            # Noted before it is sent: a look that came and went while nobody answered must not stay at Google.
            await self._note_class(plan, distrust(plan.class_sent, changed))
        await self._put(plan.account, CLASSES, body, changed, is_known=bool(plan.class_sent))
        await self._note_class(plan, hash_fields(body))

    async def _note_class(self, plan: Plan, sent: dict[str, str]) -> None:
        async with self._tenant() as session:
            await write_class(
                session,
                self.merchant_id,
                plan.program_id,
                class_id=plan.class_body["id"],
                sent=sent,
                now=self.now,
            )

    async def _send_object(self, plan: Plan) -> dict[str, str]:
        body, known = plan.object_body, plan.known
        news = changed_fields(body, known.sent)
        # A worker that died may have sent what the card showed for a moment: then everything is said again.
        changed = news if known.is_sure else changed_fields(body, distrust(known.sent))
        hashes = hash_fields(body)
        if not changed:
            return hashes
        self._remember(plan)
        is_news = bool(known.sent) and bool(NOTIFIED_FIELDS & set(news)) and known.wanted_at is not None
        flags = await self._ask_for_notification(plan) if is_news and plan.status == "active" else {}
        try:
            await self._put(
                plan.account, OBJECTS, body, changed | flags, is_known=bool(known.sent), plan=plan
            )
        except BaseException:
            # Carried out or not: until it is said again nobody knows what Google has in these fields.
            self.done["sent"] = distrust(known.sent, changed)
            raise
        self.confirmed = self.notified
        return hashes

    async def _ask_for_notification(self, plan: Plan) -> dict[str, str]:
        """Return the flag that makes Google announce this change, where the day's budget allows it.

        It is counted before the request: an answer that is lost must not give away a notification twice.
        """
        if not may_notify(self.notified, is_important=plan.is_reward, now=self.now):
            self.is_silenced = True
            return {}
        self.notified = [*self.notified, self.now.isoformat()]
        async with self._tenant() as session:
            await write_object(session, self.merchant_id, self.pass_id, notified=self.notified)
        return {"notifyPreference": "NOTIFY_ON_UPDATE"}

    async def _put(
        self,
        account: GoogleAccount,
        kind: str,
        body: dict[str, Any],
        changed: dict[str, Any],
        *,
        is_known: bool,
        plan: Plan | None = None,
    ) -> None:
        """Insert what is new and patch what is known; whatever Google says to that is followed once each way."""
        whole = {name: value for name, value in body.items() if value is not None}
        # What is there already may have lines that this card no longer has.
        blank = dict.fromkeys(OPTIONAL_FIELDS) if kind == OBJECTS else {}
        if not is_known:
            answer = await self._ask(account, "POST", kind, whole)
            if answer.status == 404 and plan is not None:
                answer = await self._insert_with_class(plan, whole)
            if answer.status == 409:  # an answer of ours was lost, or somebody opened a fat link
                answer = await self._ask(account, "PATCH", f"{kind}/{body['id']}", blank | whole)
            return _check(answer)
        # A change of a class must say that it waits for review, every time.
        must = {"reviewStatus": "UNDER_REVIEW"} if kind == CLASSES else {}
        answer = await self._ask(account, "PATCH", f"{kind}/{body['id']}", changed | must)
        if answer.status == 403 and "notifyPreference" in changed:
            quiet = {name: value for name, value in changed.items() if name != "notifyPreference"}
            answer = await self._ask(account, "PATCH", f"{kind}/{body['id']}", quiet)
        if answer.status == 404:
            answer = await self._ask(account, "POST", kind, whole)
            if answer.status == 404 and plan is not None:
                answer = await self._insert_with_class(plan, whole)
            if answer.status == 409:
                answer = await self._ask(account, "PATCH", f"{kind}/{body['id']}", blank | whole)
        return _check(answer)

    async def _insert_with_class(self, plan: Plan, whole: dict[str, Any]) -> Answer:
        """Insert a class that we thought was there, and then the object."""
        await self._put(plan.account, CLASSES, plan.class_body, {}, is_known=False)
        return await self._ask(plan.account, "POST", OBJECTS, whole)

    async def _send_messages(self, plan: Plan) -> None:
        """Put what waits on the pass, joined to one; over the day's budget without a sound."""
        if plan.status != "active":
            return
        waiting = plan.waiting
        if plan.trying and not await self._has_arrived(plan):
            waiting = (*plan.trying, *waiting)
        if not waiting:
            return
        message = merge_messages(waiting)
        self._remember(plan)
        is_loud = plan.known.wanted_at is not None and may_notify(
            self.notified, is_important=False, now=self.now
        )
        async with self._tenant() as session:
            await note_google(session, self.merchant_id, waiting, "trying")
            if is_loud:
                self.notified = [*self.notified, self.now.isoformat()]
                await write_object(session, self.merchant_id, self.pass_id, notified=self.notified)
        path = f"{OBJECTS}/{plan.object_body['id']}/addMessage"
        try:
            answer = await self._ask(plan.account, "POST", path, message_body(message, is_loud=is_loud))
            if answer.status == 403:
                quiet = message_body(message, is_loud=False)
                answer = await self._ask(plan.account, "POST", path, quiet)
        except TryAgain as error:
            if not isinstance(error, Unanswered):
                await self._note(waiting, "waiting")
            raise
        # What Google will not take is not said again and again.
        await self._note(waiting, "sent")
        _check(answer)
        self.confirmed = self.notified

    async def _has_arrived(self, plan: Plan) -> bool:
        """Tell whether a message whose answer was lost is on the pass: it must not be said twice."""
        answer = await self._ask(plan.account, "GET", f"{OBJECTS}/{plan.object_body['id']}", None)
        rows = answer.body.get("messages") if answer.status == 200 else None
        if plan.trying[-1].id.hex not in {row.get("id") for row in rows or () if isinstance(row, dict)}:
            return False
        await self._note(plan.trying, "sent")
        return True

    async def _note(self, messages: Sequence[CardMessage], state: Literal["waiting", "sent"]) -> None:
        async with self._tenant() as session:
            await note_google(session, self.merchant_id, messages, state)

    def _remember(self, plan: Plan) -> None:
        """Begin from the notifications that still count."""
        if not self.notified:
            self.notified = self.confirmed = recent(plan.known.notified, now=self.now)

    async def _ask(
        self, account: GoogleAccount, method: str, path: str, body: dict[str, Any] | None
    ) -> Answer:
        return await self.google.call(account, method, path, body=body, now=self.now)


class Vanished(TryAgain):
    """Google says that something is not there which it has just said is there, or took: it will make up its mind."""


def _check(answer: Answer) -> None:
    """Accept a success; raises GiveUp for a body that Google will never take, Vanished for a contradiction."""
    if answer.status in {404, 409}:
        raise Vanished(f"Google: {answer.status} for what should be there", VANISHED_WAIT)
    if answer.status >= 400:
        raise GiveUp(f"Google: {fault_of(answer).code} ({answer.status})")


class GoogleOutput:
    """The entry in the registry of outputs."""

    async def update(self, context: JobContext, *, merchant_id: UUID, pass_id: UUID) -> None:
        """Bring the card's object up to date; safe to repeat; raises TryAgain or GiveUp."""
        try:
            await sync_card(context.resources, merchant_id, pass_id, now=context.clock.now())
        except TryAgain as error:
            if isinstance(error, Vanished) and context.attempt >= VANISHED_TRIES_MAX:
                raise GiveUp(error.reason) from error
            if context.attempt > PATIENT_AFTER and error.after is not None:
                # A long outage: tries are counted, and these have to last for hours.
                raise TryAgain(error.reason, error.after + PATIENT_WAIT) from error
            raise


async def sync_card(resources: Resources, merchant_id: UUID, pass_id: UUID, *, now: datetime) -> None:
    """Send a card to Google; the job's way and that of a tap on the button."""
    database = resources.get(Database)
    google = PacedGoogle(resources.get(GoogleClient), database)
    await CardSync(database, google, merchant_id, pass_id, now).run()

"""The long run of tests/security/test_fuzzing.py: every operation, every role, many requests. Ten minutes and more."""

from __future__ import annotations

import os

import httpx2
import pytest
from fastapi import FastAPI

from app.db.session import Database
from tests.security.fuzzing import cases_of, make_fuzz_shop, operations_of, send_as_everybody

pytestmark = pytest.mark.system
# STEMPEL_FUZZ_EXAMPLES=100 for a night's run.
EXAMPLES = int(os.environ.get("STEMPEL_FUZZ_EXAMPLES", "12"))


async def test_schemathesis_finds_nothing_in_many_requests(
    app: FastAPI, client: httpx2.AsyncClient, database: Database
) -> None:
    """As in the short run, with that many good and as many broken requests for each operation."""
    shop = await make_fuzz_shop(database, app)
    wrong = []
    for operation in operations_of(app):
        await shop.sign_in(database)
        cases = cases_of(operation, good=EXAMPLES, bad=EXAMPLES)
        wrong += await send_as_everybody(client, app, shop, operation, cases)

    assert sorted(set(wrong)) == []

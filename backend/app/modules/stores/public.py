"""What other modules may know of stores and their programmes, and the use cases a surface may call."""

from __future__ import annotations

from app.modules.stores.rules import CARD_ICONS
from app.modules.stores.service import NewStore, change_program, create_store, forget_stores
from app.modules.stores.views import (
    PROGRAM_CHANGED,
    ProgramChange,
    ProgramView,
    StoreKey,
    StoreView,
    get_program,
    get_store,
    list_program_stores,
    list_stores,
    lock_program,
    program_view,
    store_view,
)

__all__ = [
    "CARD_ICONS",
    "PROGRAM_CHANGED",
    "NewStore",
    "ProgramChange",
    "ProgramView",
    "StoreKey",
    "StoreView",
    "change_program",
    "create_store",
    "forget_stores",
    "get_program",
    "get_store",
    "list_program_stores",
    "list_stores",
    "lock_program",
    "program_view",
    "store_view",
]

"""Delta app transactions of raw tables -> their names.

Belongs here: what commits to a raw table are told apart by; two of one name from the same snapshot exclude each other.
Does not belong here: the commits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deltalake import DeltaTable, Transaction

REWRITE = "rewrite"


def offsets_of(topic_id: str, partition: int) -> str:
    """Name of the transaction whose version is the partition's next offset."""
    return f"{topic_id}/{partition}"


def redrives_of(topic_id: str) -> str:
    """Name of the transaction that counts the redrives of a topic."""
    return f"redrive/{topic_id}"


def next_rewrite(table: DeltaTable) -> Transaction:
    """The transaction of a commit that removes files: refused if another such commit came after this snapshot."""
    from deltalake import Transaction

    return Transaction(REWRITE, (table.transaction_version(REWRITE) or 0) + 1)

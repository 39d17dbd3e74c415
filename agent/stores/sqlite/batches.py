"""Records as the statements and rows of one transaction."""

from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

from agent.core.records import Record
from agent.stores.sqlite.fields import Fields
from agent.stores.sqlite.rows import Value, to_row
from agent.stores.sqlite.statements import STATEMENTS

Batch: TypeAlias = list[tuple[str, list[dict[str, Value]]]]


def batch_of(records: Sequence[Record], fields: Fields | None) -> Batch | None:
    """What writes ``records``, locked by ``fields``; None where a key is not at hand.

    Raises:
        OverflowError: one holds an instant past the year 9999.
    """
    batch: Batch = []
    for kind, group in groupby(sorted(records, key=_kind), key=_kind):
        rows = []
        for record in group:
            row = to_row(record)
            if fields is not None and fields.lock(record, row) is None:
                return None
            rows.append(row)
        batch.append((STATEMENTS[f"upsert_{kind}"], rows))
    if fields is not None:
        batch.append((STATEMENTS["upsert_line"], fields.new_lines(row for _, rows in batch for row in rows)))
    return batch


def _kind(record: Record) -> str:
    return record.KIND

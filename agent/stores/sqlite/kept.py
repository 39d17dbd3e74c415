"""Opens what is read to be written back."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from agent.ports import StoreError
from agent.stores.sqlite.fields import Fields
from agent.stores.sqlite.opening import connect


class Kept:
    """An `agent.stores.sqlite.rows.Opening` for what is written back: what cannot be opened now stays as it is."""

    def __init__(self, fields: Fields | None, path: Path) -> None:
        self._fields = fields
        self._database = None if fields is None else connect(path, "mode=ro")

    def text(self, value: str, place: str) -> str | None:
        """The text, or ``value`` itself."""
        return value if self._fields is None else self._fields.open(value, place, value)

    def line(self, handle: str) -> str:
        """The name, or ``handle`` itself."""
        if self._fields is None or self._database is None:
            return handle
        name = self._fields.name_of(handle, self._database, handle)
        return handle if name is None else name

    @contextmanager
    def still(self) -> Iterator[None]:
        """Opens much in less time; for milliseconds, as a change of the keys waits for it."""
        with ExitStack() as stack:
            if self._fields is not None:
                with suppress(StoreError):
                    stack.enter_context(self._fields.still())
            yield

    def close(self) -> None:
        """Let go of the file."""
        if self._database is not None:
            self._database.close()

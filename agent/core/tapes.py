"""The recordings of calls that are up: routes each signal to its recording, and notices unasked ones."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from agent.core import recording
from agent.core.book import Book
from agent.core.recording import Tape
from agent.core.records import Recording, RecordingState
from agent.core.signals import (
    Ask,
    Capture,
    CaptureChanged,
    ChannelDown,
    Gone,
    LiveChannel,
    LiveChannelsListed,
    RecordingAsked,
    Signal,
)


@dataclass(slots=True)
class Tapes:
    """The latest recording of each channel."""

    new_id: Callable[[], str]
    book: Book[Tape] = field(default_factory=Book)

    def hear(self, signal: Signal) -> Iterator[Recording]:
        """The record as ``signal`` leaves it, if it changed."""
        match signal:
            case RecordingAsked():
                tape = self.book.find(signal.channel)
                again = signal.ask is Ask.OPT_IN and (tape is None or tape.state in recording.ENDED)
                yield from self._stepped(self._another(tape) if again else tape, signal)
            case CaptureChanged():
                tape = self._captured(signal)
                fresh = signal.capture is Capture.STARTED and (tape is None or tape.state in recording.ENDED)
                yield from self._stepped(self._another(tape) if fresh else tape, signal)
            case ChannelDown():
                if (tape := self.book.find(signal.channel)) is not None:
                    yield from self._stepped(tape, signal)
            case LiveChannel():
                if (tape := self.book.find(signal.channel)) is not None:
                    self.book.prove(tape.id)
            case LiveChannelsListed():
                for tape in self.book.unproved():
                    yield from self._stepped(tape, Gone(at=signal.at))

    def _captured(self, signal: CaptureChanged) -> Tape | None:
        """The recording on this channel; else an opt-in of the same call that waits for its capture to start.

        The phone's own button (automixmon) starts the capture on the *other* leg (seen on Asterisk 16 and 22).
        """
        tape = self.book.find(signal.channel)
        if tape is not None and tape.state not in recording.ENDED:
            return tape
        for waiting in self.book.states.values():
            if waiting.state is RecordingState.OPTED_IN and waiting.linked == signal.linked:
                return waiting
        return tape

    def _another(self, tape: Tape | None) -> Tape | None:
        """No recording yet: the channel begins another one, and of ``tape`` nothing more will be heard."""
        if tape is not None:
            self.book.close(tape.id)
        return None

    def _stepped(self, tape: Tape | None, signal: Signal) -> Iterator[Recording]:
        if tape is None:
            if not isinstance(signal, RecordingAsked | CaptureChanged):
                return
            after = recording.begin(signal, id=self.new_id())
            if after is None:
                return
        else:
            after = recording.step(tape, signal)
            if after is tape:
                self.book.prove(tape.id)
                return
        self.book.put(after.id, after, after.channel)
        if after.over:
            self.book.close(after.id)
        record = recording.minimise(after)
        if tape is None or record != recording.minimise(tape):
            yield record

    def tick(self, at: int) -> None:
        """Forget recordings whose calls have been over for long."""
        self.book.tick(at)

    def regained(self) -> None:
        """The session is back: what was up has to be proved again."""
        self.book.unprove()

    def restore(self, records: Iterable[Recording]) -> None:
        """Take up the recordings that ran when an earlier run stopped."""
        for record in records:
            tape = recording.restore(record)
            self.book.put(tape.id, tape, tape.channel)
        self.book.unprove()

"""A report of a verification that shows when it was changed: signed with Ed25519 (RFC 8032)."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from agent.core.instants import rfc3339
from agent.duties.promises.result import Result, State

#: Stands before what is signed, so that no other signature of the key is one of a report.
_PURPOSE = b"telephony-agent promises report 1\n"


class NoReport(ValueError):
    """It is no report, or not as it was signed; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """When the promises were verified, by which version, and what became of each."""

    at: str
    version: str
    results: tuple[Result, ...]

    def counts(self) -> str:
        """How many are in each state."""
        found = Counter(result.state for result in self.results)
        return ", ".join(f"{found[state]} {state}" for state in State)


def signed(results: Sequence[Result], *, at: int, version: str, public: str, sign: Callable[[bytes], str]) -> str:
    """The text of a report; ``public`` is the key that ``sign`` signs with, both in hexadecimal."""
    report = {"at": rfc3339(at), "version": version, "results": [asdict(result) for result in results]}
    return _text({"report": report, "public_key": public, "signature": sign(_bytes(report))})


def opened(text: str, public: str, proves: Callable[[str, str, bytes], bool]) -> Report:
    """The report in ``text``, if the key ``public`` signed it; ``proves`` tells by key, signature and data.

    Raises:
        NoReport: it is none, or not as it was signed, or another key signed it.
    """
    try:
        document = json.loads(text)
        report = document["report"]
        found = Report(
            at=report["at"],
            version=report["version"],
            results=tuple(
                Result(id=each["id"], state=State(each["state"]), evidence=each["evidence"])
                for each in report["results"]
            ),
        )
        key, signature = document["public_key"], document["signature"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise NoReport("it is no report of `promises verify`") from None
    if key != public:
        raise NoReport("another key signed it")
    # What stands in the file besides, or in another form, was not signed.
    if text != _text({"report": report, "public_key": key, "signature": signature}) or not proves(
        public, str(signature), _bytes(report)
    ):
        raise NoReport("it is not as it was signed")
    return found


def _bytes(report: object) -> bytes:
    return _PURPOSE + json.dumps(report, sort_keys=True, separators=(",", ":")).encode()


def _text(document: object) -> str:
    return json.dumps(document, indent=2) + "\n"

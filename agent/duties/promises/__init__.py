"""The published promise, proved sentence by sentence against the running system and its store."""

from collections.abc import Callable, Iterator

from agent.duties.promises import (
    accounts,
    contents,
    emergencies,
    history,
    phones,
    planning,
    recordings,
    requests,
    security,
    sharing,
    terms,
    voicemail,
)
from agent.duties.promises.result import Places, Result, Scene, State, Survey, Terms, Value
from agent.duties.promises.unbuilt import MISSING, unbuilt
from agent.ports import StoreError

__all__ = ["PROBES", "PROMISES", "Places", "Result", "Scene", "State", "Survey", "Terms", "Value", "verify"]

#: Each sentence, short.
PROMISES = {
    "P01": "identify you as the account holder",
    "P02": "see account and contact history to solve problems",
    "P03": "bill accurately",
    "P04": "show you your call and text history",
    "P05": "respond safely and quickly to 999 calls",
    "P06": "comply with the rules on retention",
    "P07": "plan networks on aggregates only",
    "P08": "never share without your specific consent",
    "P09": "exceptions only by law, and on record",
    "P10": "keep a phone's IP address and device type only",
    "P11": "record no call that nobody asked to be recorded",
    "P12": "never keep or see card numbers",
    "P13": "keep no content",
    "P14": "keep amounts, not content",
    "P15": "delete stored voicemail regularly",
    "P16": "store the sound files you have given us",
    "P17": "store securely, backed up in two places",
    "P18": "take security as a major concern",
    "P19": "let you change and delete your information",
    "P20": "keep nothing shorter or longer than we say",
    "P21": "set only cookies that are needed",
}

PROBES: dict[str, Callable[[Scene], Result]] = {
    "P01": accounts.p01,
    "P02": accounts.p02,
    "P03": history.p03,
    "P04": history.p04,
    "P05": emergencies.p05,
    "P06": terms.p06,
    "P07": planning.p07,
    "P08": sharing.p08,
    "P09": sharing.p09,
    "P10": phones.p10,
    "P11": recordings.p11,
    "P12": recordings.p12,
    "P13": contents.p13,
    "P14": contents.p14,
    "P15": voicemail.p15,
    "P16": voicemail.p16,
    "P18": security.p18,
    "P19": requests.p19,
    "P20": terms.p20,
    "P21": security.p21,
}


def verify(scene: Scene) -> Iterator[Result]:
    """What became of each promise, in their order; it blocks, and may read all of the store."""
    for id in PROMISES:
        result = _looked(id, scene)
        # What changed while it was looked at may seem broken: then it is looked at again.
        yield _looked(id, scene) if result.state is State.BROKEN else result


def _looked(id: str, scene: Scene) -> Result:
    if id in MISSING:
        return unbuilt(id)
    try:
        return PROBES[id](scene)
    except (StoreError, OSError, ValueError, LookupError, TypeError) as error:
        # What could not be looked at is not proved. No text of the error: it may hold a value.
        what = str(error) if isinstance(error, StoreError) else type(error).__name__
        return Result(id=id, state=State.BROKEN, evidence=f"it could not be looked at: {what}")

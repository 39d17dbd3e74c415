"""What a call takes up on the disk, beside what Asterisk's own CDR and CEL in SQLite take up for the same calls."""

from collections.abc import Iterable
from pathlib import Path

from tests.bench.calls import one_by_one
from tests.bench.figures import Figure, ratio
from tests.lab.calls import CallsLab
from tests.lab.provision import Installation, installation
from tests.lab.sip import Phone, Trunk

NUMBER = "01134960100"
FEWEST = 100
#: As Asterisk's own sample files have them.
_CDR = (
    "calldate, clid, dcontext, channel, dstchannel, lastapp, lastdata, duration, billsec, disposition, amaflags,"
    " accountcode, uniqueid, userfield"
)
_CDR_VALUES = (
    "'${CDR(start)}','${CDR(clid)}','${CDR(dcontext)}','${CDR(channel)}','${CDR(dstchannel)}','${CDR(lastapp)}',"
    "'${CDR(lastdata)}','${CDR(duration)}','${CDR(billsec)}','${CDR(disposition)}','${CDR(amaflags)}',"
    "'${CDR(accountcode)}','${CDR(uniqueid)}','${CDR(userfield)}'"
)
_CEL = (
    "eventtype, eventtime, cidname, cidnum, cidani, cidrdnis, ciddnid, context, exten, channame, appname, appdata,"
    " amaflags, accountcode, uniqueid, userfield, peer, userdeftype, eventextra"
)
_CEL_VALUES = (
    "'${eventtype}','${eventtime}','${CALLERID(name)}','${CALLERID(num)}','${CALLERID(ANI)}','${CALLERID(RDNIS)}',"
    "'${CALLERID(DNID)}','${CHANNEL(context)}','${CHANNEL(exten)}','${CHANNEL(channame)}','${CHANNEL(appname)}',"
    "'${CHANNEL(appdata)}','${CHANNEL(amaflags)}','${CHANNEL(accountcode)}','${CHANNEL(uniqueid)}',"
    "'${CHANNEL(userfield)}','${BRIDGEPEER}','${userdeftype}','${eventextra}'"
)
_CEL_EVENTS = "APP_START,CHAN_START,CHAN_END,ANSWER,HANGUP,BRIDGE_ENTER,BRIDGE_EXIT"


class WrittenTwice(CallsLab):
    """The lab's Asterisk that writes its calls for the agent, and as CDR and CEL into SQLite."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(installation)
        etc = self.folder / "etc"
        mapping = "[{name}]\ntable=>{table}\ncolumns=>{columns}\nvalues=>{values}\n"
        (etc / "cdr_sqlite3_custom.conf").write_text(
            mapping.format(name="master", table="cdr", columns=_CDR, values=_CDR_VALUES)
        )
        (etc / "cel_sqlite3_custom.conf").write_text(
            mapping.format(name="cel", table="cel", columns=_CEL, values=_CEL_VALUES)
        )
        (etc / "cel.conf").write_text(f"[general]\nenable=yes\napps=dial,park\nevents={_CEL_EVENTS}\n")
        with (etc / "modules.conf").open("a") as modules:
            modules.write("load=cdr_sqlite3_custom.so\nload=cel_sqlite3_custom.so\n")


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`bytes_per_call`: database with its indexes, and keyring, both encrypted; `bytes_per_call_cdr_cel`: Asterisk's.

    Of so many answered calls of one phone over a trunk, behind a first one.
    """
    calls = max(calls, FEWEST)
    sizes = []
    async with WrittenTwice(installation(version, print)) as lab:
        phone = Phone(lab, "201", local_ip="127.0.7.1")
        await phone.register()
        async with Trunk(lab, "trunk-a", ring_s=0):
            for count in (1, calls):
                async with lab.agent(folder / "agent") as agent:
                    await one_by_one(phone, NUMBER, count)
                    await lab.quiet()
                    await agent.until(lambda: len(agent.stored("call")) == len(lab.cdrs()), f"{count} calls")
                kept = _bytes(agent.store.parent.glob("agent.sqlite*"))
                sizes.append((kept, _bytes((lab.folder / "log").glob("*.db"))))
                told = len(lab.cdrs())
    assert told == calls + 1, "each has one CDR"
    ours, theirs = (round((after - before) / calls, 1) for before, after in zip(*sizes, strict=True))
    kept_bytes = Figure(name="bytes_per_call", value=ours, unit="bytes", n=calls)
    beside = Figure(name="bytes_per_call_cdr_cel", value=theirs, unit="bytes", n=calls)
    return [kept_bytes, beside, ratio("bytes_per_call_cdr_cel_to_ours", beside, kept_bytes)]


def _bytes(files: Iterable[Path]) -> int:
    return sum(file.stat().st_size for file in files)

"""A PBX that is played: it tells of calls and phones as Asterisk does, and keeps its database as Asterisk does."""

import asyncio
import hashlib
import itertools
import json
import random
import time
from dataclasses import dataclass, field
from typing import Final

from tests.integration.fake_asterisk import SECRET, Action, FakeAsterisk, Peer, event, list_of, response
from tests.torture.truth import Ledger

TRUNKS: Final = ("trunk-a", "trunk-b")
#: What a call that nobody has answered wrote down is saved when it is so old (dialplan/emergency.conf).
_SAVED_LATE_S: Final = 5.0


@dataclass(slots=True)
class Channel:
    """One channel that is up: its notes wait to be written into the database."""

    name: str
    line: str
    id: str
    linked: str
    exten: str
    began: float = field(default_factory=time.time)
    bridge: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    def snapshot(self, prefix: str = "") -> dict[str, str]:
        """The headers that Asterisk puts before those of an event."""
        state = ("6", "Up") if self.bridge else ("4", "Ring")
        headers = {
            "Channel": self.name,
            "ChannelState": state[0],
            "ChannelStateDesc": state[1],
            "CallerIDNum": self.line,
            "CallerIDName": "A Caller",
            "ConnectedLineNum": "<unknown>",
            "ConnectedLineName": "<unknown>",
            "Language": "en",
            "AccountCode": "",
            "Context": "emergency",
            "Exten": self.exten,
            "Priority": "3",
            "Uniqueid": self.id,
            "Linkedid": self.linked,
        }
        return {f"{prefix}{key}": value for key, value in headers.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How one emergency goes: trunks that refuse after so long each; the next answers, or the caller is quicker."""

    line: str
    number: str
    refusals: tuple[float, ...]
    ring_s: float
    talk_s: float | None
    caller_first: bool

    @classmethod
    def drawn(cls, draw: random.Random, line: str) -> "Plan":
        """One of every kind there is."""
        refused = draw.choice((0, 0, 0, 1, 2))
        return cls(
            line=line,
            number=draw.choice(("999", "112", "18000")),
            refusals=tuple(draw.uniform(0.01, 0.5) for _ in range(refused)),
            ring_s=draw.choice((draw.uniform(0.02, 0.5), draw.uniform(0.5, 6.5))),
            talk_s=draw.choice((draw.uniform(0.0, 0.3), draw.uniform(0.3, 3.0), draw.uniform(3.0, 7.0), None)),
            caller_first=draw.random() < 0.5,
        )


class Switchboard(FakeAsterisk):
    """An Asterisk that is played; what it tells of emergencies goes into `ledger`, and each time it wakes `told`."""

    def __init__(self, ledger: Ledger, told: asyncio.Condition) -> None:
        super().__init__()
        self.agent_user, self.agent_secret = "agent", SECRET
        self._ledger = ledger
        self._told = told
        self.database: dict[str, str] = {}
        self.channels: dict[str, Channel] = {}
        self.contacts: dict[str, dict[str, str]] = {}
        self.captures = 0
        self._numbers = itertools.count()
        self._began = int(time.time())
        self._saving: set[asyncio.Task[None]] = set()
        self.replies |= {
            "DBGetTree": self._tree,
            "DBDel": self._delete,
            "CoreShowChannels": self._channels,
            "PJSIPShowRegistrationInboundContactStatuses": self._contacts,
        }

    async def stop(self) -> None:
        """As FakeAsterisk's; what waits to be written is not."""
        for task in self._saving:
            task.cancel()
        await super().stop()

    @property
    def ami_port(self) -> int:
        """Where its AMI is."""
        return self.port

    async def send(self, peer: Peer, data: bytes) -> None:
        """Waits for nobody, as each session of Asterisk's has a thread of its own."""
        if not peer.writer.transport.is_closing():
            peer.writer.write(data)

    @property
    def journal(self) -> dict[str, str]:
        """What stands in the journal of emergencies."""
        return {key: value for key, value in self.database.items() if key.startswith("/emergency-journal/")}

    # -- an emergency, as dialplan/emergency.conf has it --------------------------------------------------------------

    async def emergency(self, plan: Plan) -> None:
        """One call from its dialling to its end."""
        caller = self._channel(plan.line, None, plan.number)
        await self._event("Newchannel", **caller.snapshot())
        await self._tell(caller, caller, "Dialled")
        trunks = iter(TRUNKS)
        for number, trunk in enumerate(trunks, 1):
            await self._tell(caller, caller, "Trying", number, Trunk=trunk, Cli="+441134960000")
            if number == 1:
                self._save_later(caller)
            leg = self._channel(trunk, caller, "s")
            await self._event("Newchannel", **leg.snapshot())
            leg.exten = plan.number
            both = caller.snapshot() | leg.snapshot("Dest")
            await self._event("DialBegin", **both, DialString=f"{plan.number}@{trunk}")
            if number <= len(plan.refusals):
                await asyncio.sleep(plan.refusals[number - 1])
                await self._tell(leg, caller, "LegEnded", number, Trunk=trunk)
                await self._gone(leg)
                await self._event("DialEnd", **both, DialStatus="CONGESTION")
                await self._tell(caller, caller, "Refused", number, Trunk=trunk, Status="CONGESTION")
                continue
            await asyncio.sleep(plan.ring_s)
            if plan.talk_s is None:
                await self._event("DialEnd", **both, DialStatus="CANCEL")
                await self._tell(leg, caller, "LegEnded", number, Trunk=trunk)
                await self._gone(leg)
                break
            await self._tell(leg, caller, "Answered", number, Trunk=trunk)
            self._save(leg, caller)
            await self._event("DialEnd", **both, DialStatus="ANSWER")
            leg.exten = ""
            for channel in (leg, caller):
                channel.bridge = f"bridge-{caller.id}"
                await self._event("BridgeEnter", BridgeUniqueid=channel.bridge, **channel.snapshot())
            await asyncio.sleep(plan.talk_s)
            for channel in (caller, leg) if plan.caller_first else (leg, caller):
                await self._hang_up(channel, caller, number, trunk)
            return
        else:
            await self._tell(caller, caller, "Failed")
        await self._hang_up(caller, caller, 0, "")

    async def _hang_up(self, channel: Channel, caller: Channel, attempt: int, trunk: str) -> None:
        if channel is caller:
            await self._tell(caller, caller, "Ended")
        else:
            await self._tell(channel, caller, "LegEnded", attempt, Trunk=trunk)
        self._save(channel)
        await self._gone(channel)

    async def _gone(self, channel: Channel) -> None:
        del self.channels[channel.id]
        await self._event("Hangup", **channel.snapshot(), Cause="16")

    async def _tell(self, channel: Channel, caller: Channel, stage: str, attempt: int = 0, **facts: str) -> None:
        """One stage: an event at once, and a note for the journal."""
        at = f"{time.time():.3f}"
        facts = {"Stage": stage, "Call": caller.id, "Number": caller.exten, "At": at, **facts}
        facts |= {"Attempt": str(attempt)} if attempt else {}
        known = facts | {"Uniqueid": channel.id, "Linkedid": channel.linked, "Line": channel.line}
        key = f"/emergency-journal/{caller.id}/{channel.id}-{stage}-{attempt}"
        channel.notes[key] = "|".join(f"{name}={value}" for name, value in known.items())
        self._ledger.hear(known)
        await self._event("UserEvent", "user", **channel.snapshot(), UserEvent="Emergency", **facts)
        async with self._told:
            self._told.notify_all()

    def _save(self, *channels: Channel) -> None:
        for channel in channels:
            self.database |= channel.notes
            channel.notes.clear()

    def _save_later(self, channel: Channel) -> None:
        async def save() -> None:
            await asyncio.sleep(_SAVED_LATE_S)
            if channel.id in self.channels:
                self._save(channel)

        task = asyncio.create_task(save())
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    # -- everything else ----------------------------------------------------------------------------------------------

    async def register(self, line: str, host: str) -> None:
        """A phone registers, or registers again."""
        uri = f"sip:{line}@{host}:5060"
        id = f"{line};@{hashlib.md5(uri.encode(), usedforsecurity=False).hexdigest()}"
        fresh = id not in self.contacts
        self.contacts[id] = {
            "uri": uri,
            "endpoint": line,
            "via_addr": f"{host}:5060",
            "call_id": f"call-of-{line}@{host}",
            "user_agent": "Yealink SIP-T46U 108.86.0.45",
            "expiration_time": str(int(time.time()) + 300),
        }
        self.database[f"/registrar/contact/{id}"] = json.dumps(self.contacts[id])
        told = {"Service": "PJSIP", "AccountID": line, "SessionID": self.contacts[id]["call_id"]}
        await self._event("SuccessfulAuth", "security", **told, RemoteAddress=f"IPV4/UDP/{host}/5060")
        if fresh:
            await self._status(line, uri, "NonQualified")

    async def unregister(self, line: str) -> None:
        """Its contacts go."""
        for id, contact in list(self.contacts.items()):
            if contact["endpoint"] == line:
                del self.contacts[id], self.database[f"/registrar/contact/{id}"]
                await self._status(line, contact["uri"], "Removed")

    async def captured(self, line: str, talk_s: float) -> None:
        """An ordinary call that somebody's dialplan records, opt-in or not."""
        caller = self._channel(line, None, "202")
        self.captures += 1
        await self._event("Newchannel", **caller.snapshot())
        await self._event("MixMonitorStart", **caller.snapshot())
        await asyncio.sleep(talk_s)
        await self._event("MixMonitorStop", **caller.snapshot())
        await self._gone(caller)

    async def _status(self, line: str, uri: str, status: str) -> None:
        headers = {"URI": uri, "ContactStatus": status, "AOR": line, "EndpointName": line, "RoundtripUsec": "0"}
        await self._event("ContactStatus", "system", **headers)

    def _channel(self, line: str, caller: Channel | None, exten: str) -> Channel:
        number = next(self._numbers)
        id = f"{self._began}.{number}"
        linked = caller.linked if caller else id
        self.channels[id] = Channel(f"PJSIP/{line}-{number:08x}", line, id, linked, exten)
        return self.channels[id]

    async def _event(self, name: str, privilege: str = "call", **headers: str) -> None:
        await self.emit(event(name, Privilege=f"{privilege},all", Timestamp=f"{time.time():.6f}", **headers))

    # -- what it answers ----------------------------------------------------------------------------------------------

    def _tree(self, peer: Peer, action: Action) -> list[bytes]:
        under = f"/{action['Family']}/"
        rows = [
            event("DBGetTreeResponse", Key=key, Val=value)
            for key, value in self.database.items()
            if f"{key}/".startswith(under)
        ]
        if not rows:
            return [response(action, "Error", "Message: Database entry not found")]
        return list_of(action, "DBGetTreeComplete", *rows)

    def _delete(self, peer: Peer, action: Action) -> list[bytes]:
        found = self.database.pop(f"/{action['Family']}/{action['Key']}", None)
        if found is None:
            return [response(action, "Error", "Message: Database entry not found")]
        return [response(action, "Success", "Message: Key deleted successfully")]

    def _channels(self, peer: Peer, action: Action) -> list[bytes]:
        rows = [
            event(
                "CoreShowChannel",
                **channel.snapshot(),
                Application="Dial",
                ApplicationData="",
                Duration=time.strftime("%H:%M:%S", time.gmtime(max(0, time.time() - channel.began))),
                BridgeId=channel.bridge,
            )
            for channel in self.channels.values()
        ]
        return list_of(action, "CoreShowChannelsComplete", *rows)

    def _contacts(self, peer: Peer, action: Action) -> list[bytes]:
        rows = [
            event(
                "ContactStatusDetail",
                AOR=contact["endpoint"],
                URI=contact["uri"],
                UserAgent=contact["user_agent"],
                RegExpire=contact["expiration_time"],
                ViaAddress=contact["via_addr"],
                CallID=contact["call_id"],
                Status="NonQualified",
                EndpointName=contact["endpoint"],
                ID=id,
            )
            for id, contact in self.contacts.items()
        ]
        return list_of(action, "ContactStatusDetailComplete", *rows)

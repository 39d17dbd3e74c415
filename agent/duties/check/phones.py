"""Which phones and trunks the PBX has, and in which contexts their calls begin."""

from collections.abc import Iterable

from agent.core.wire import Message
from agent.duties.check.asker import Asker
from agent.duties.check.evidence import Endpoint


async def endpoints_of(asker: Asker) -> tuple[Endpoint, ...] | None:
    listers = {"PJSIPShowEndpoints": _pjsip_endpoints, "SIPpeers": _sip_peers, "IAXpeerlist": _iax_peers}
    usable = [lister for action, lister in listers.items() if asker.may(action)]
    # Without the right to list PJSIP's, there is no telling a PBX that has none from one that hides them.
    if not asker.private or not (asker.may("PJSIPShowEndpoints") or asker.may("Filter")):
        return None
    return tuple([endpoint for lister in usable for endpoint in await lister(asker)])


async def _pjsip_endpoints(asker: Asker) -> list[Endpoint]:
    action = {"Action": "PJSIPShowEndpoints"}
    _, listed = await asker.pbx.ask_list(action, "EndpointListComplete", frozenset(("EndpointList",)))
    found = []
    for entry in listed:
        name = entry.get("ObjectName")
        # The answer holds the endpoint's password as well (AuthDetail): only its EndpointDetail is ever looked at.
        show, kept = {"Action": "PJSIPShowEndpoint", "Endpoint": name}, frozenset(("EndpointDetail",))
        _, details = await asker.pbx.ask_list(show, "EndpointDetailComplete", kept)
        detail = details[0] if details else Message("EndpointDetail", {})
        found.append(
            Endpoint(
                technology="PJSIP",
                name=name,
                context=detail.get("Context") or None,
                phone=bool(entry.get("Auths").strip()),
                one_touch_recording=detail.get("OneTouchRecording") == "true",
                on_feature=detail.get("RecordOnFeature"),
                off_feature=detail.get("RecordOffFeature"),
            )
        )
    return found


async def _sip_peers(asker: Asker) -> list[Endpoint]:
    _, listed = await asker.pbx.ask_list({"Action": "SIPpeers"}, "PeerlistComplete", frozenset(("PeerEntry",)))
    found = []
    for name in _dynamic(listed):
        answer = await asker.pbx.ask({"Action": "SIPshowpeer", "Peer": name})
        found.append(Endpoint(technology="SIP", name=name, context=answer.headers.get("Context") or None))
    return found


async def _iax_peers(asker: Asker) -> list[Endpoint]:
    _, listed = await asker.pbx.ask_list({"Action": "IAXpeerlist"}, "PeerlistComplete", frozenset(("PeerEntry",)))
    found = []
    for name in _dynamic(listed):
        section = await asker.section("iax.conf", name)
        context = section.get("context") if section is not None else None
        found.append(Endpoint(technology="IAX2", name=name, context=context))
    return found


def _dynamic(listed: Iterable[Message]) -> list[str]:
    return [each.get("ObjectName").partition("/")[0] for each in listed if each.get("Dynamic").lower() == "yes"]

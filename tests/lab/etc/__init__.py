"""The lab's configuration of Asterisk: the files of this folder, and the sections that repeat."""

from collections.abc import Mapping

PHONES = tuple(str(number) for number in (*range(201, 210), 301, 302))
_PHONE = """[{name}]
type=endpoint
context={context}
{texts}disallow=all
allow=alaw,ulaw
auth={name}
aors={name}
direct_media=no
dtmf_mode=info
media_address=127.0.0.1
bind_rtp_to_media_address=yes
one_touch_recording=yes
record_on_feature=record-button-on
record_off_feature=record-button-off
{more}
[{name}]
type=auth
auth_type=userpass
username={name}
password={password}

[{name}]
type=aor
max_contacts=2
remove_existing=yes
minimum_expiration=1
"""

_TRUNK = """[{name}]
type=endpoint
context=incoming
message_context=texts-incoming
disallow=all
allow=alaw,ulaw
aors={name}
direct_media=no
dtmf_mode=auto_info
send_pai=yes
trust_id_outbound=yes
media_address=127.0.0.1
bind_rtp_to_media_address=yes

[{name}]
type=aor
contact=sip:127.0.0.1:{port}

[{name}]
type=identify
endpoint={name}
match_header=X-Lab-Trunk: {name}

; the same far end, for emergency calls only
[emergency-{name}]
type=endpoint
context=incoming
disallow=all
allow=alaw,ulaw
aors={name}
direct_media=no
dtmf_mode=auto_info
send_pai=yes
trust_id_outbound=yes
geoloc_outgoing_call_profile=<prefer_incoming>
media_address=127.0.0.1
bind_rtp_to_media_address=yes
"""

#: What sets one phone apart: 201 has a location; 209 may say who it is, by From and by P-Asserted-Identity.
_MORE = {
    "201": "geoloc_incoming_call_profile=desk-201\n",
    "209": "identify_by=auth_username,username\ntrust_id_inbound=yes\n",
}

#: Their texts land in the context of their calls, as they do by default.
_NO_TEXTS = frozenset(("208", "301", "302"))


def password(phone: str) -> str:
    """The SIP password of a phone of the lab."""
    return f"secret-of-{phone}"


def phone_sections() -> str:
    """Endpoint, auth and AOR of every phone; the 300s are on a PBX without the dialplan under test."""
    return "\n".join(
        _PHONE.format(
            name=name,
            context="unmodified" if name.startswith("3") else "phones",
            texts="" if name in _NO_TEXTS else "message_context=texts\n",
            password=password(name),
            more=_MORE.get(name, ""),
        )
        for name in PHONES
    )


def trunk_sections(ports: Mapping[str, int]) -> str:
    """Endpoint and AOR of every trunk, by its name and port."""
    return "\n".join(_TRUNK.format(name=name, port=port) for name, port in ports.items())

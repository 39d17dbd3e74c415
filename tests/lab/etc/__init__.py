"""The lab's configuration of Asterisk: the files of this folder, and the sections that repeat."""

from collections.abc import Mapping

PHONES = tuple(str(number) for number in (*range(201, 210), 301, 302))
# Asterisk with all its modules takes ten times as long to start
MODULES = (
    "res_pjproject res_sorcery_config res_sorcery_memory res_sorcery_astdb res_timing_timerfd res_pjsip"
    " res_pjsip_session res_pjsip_pubsub res_pjsip_registrar res_pjsip_authenticator_digest"
    " res_pjsip_endpoint_identifier_user res_pjsip_endpoint_identifier_ip res_pjsip_sdp_rtp res_rtp_asterisk"
    " res_pjsip_caller_id res_pjsip_dtmf_info res_pjsip_one_touch_record_info res_pjsip_refer res_pjsip_nat"
    " res_pjsip_rfc3326 res_pjsip_header_funcs res_pjsip_path res_pjsip_messaging chan_pjsip pbx_config app_dial"
    " app_stack app_userevent app_mixmonitor app_verbose func_cut func_strings func_channel func_callerid"
    " func_logic func_global func_db bridge_simple bridge_native_rtp bridge_softmix bridge_holding"
    " bridge_builtin_features codec_ulaw codec_alaw format_wav format_pcm res_musiconhold app_playback"
).split()
# these a newer Asterisk lacks
OLD_MODULES = ("res_crypto", "res_http_websocket", "chan_sip", "chan_iax2")

_PHONE = """[{name}]
type=endpoint
context={context}
disallow=all
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

[{name}]
type=auth
auth_type=userpass
username={name}
password={password}

[{name}]
type=aor
max_contacts=2
remove_existing=yes
"""

_TRUNK = """[{name}]
type=endpoint
context=incoming
disallow=all
allow=alaw,ulaw
aors={name}
direct_media=no
media_address=127.0.0.1
bind_rtp_to_media_address=yes

[{name}]
type=aor
contact=sip:127.0.0.1:{port}

[{name}]
type=identify
endpoint={name}
match_header=X-Lab-Trunk: {name}
"""


def password(phone: str) -> str:
    """The SIP password of a phone of the lab."""
    return f"secret-of-{phone}"


def phone_sections() -> str:
    """Endpoint, auth and AOR of every phone; the 300s are on a PBX without the dialplan under test."""
    return "\n".join(
        _PHONE.format(
            name=name, context="unmodified" if name.startswith("3") else "phones", password=password(name)
        )
        for name in PHONES
    )


def trunk_sections(ports: Mapping[str, int]) -> str:
    """Endpoint and AOR of every trunk, by its name and port."""
    return "\n".join(_TRUNK.format(name=name, port=port) for name, port in ports.items())

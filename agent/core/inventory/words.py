"""Each retention class in plain English: what the customer notice says of it."""

from dataclasses import dataclass

from agent.core.records import ContentClass, RetentionClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One kind of data: what it is, why it is kept, from when its term counts, and whose it is ("": nobody's)."""

    title: str
    what: str
    why: str
    after: str
    subjects: str


_USERS = "customers, and the people who use their lines"
_PARTIES = f"{_USERS}; the people they talk to"

TOLD: dict[RetentionClass, Told] = {
    RetentionClass.REGISTRATION: Told(
        title="Where your phones connect from",
        what="the line, the IP address, the make and model of the phone, and from when to when",
        why="to provide your service, to find faults and misuse, and to know where help would be sent on a 999 call",
        after="the phone was last seen there",
        subjects=_USERS,
    ),
    RetentionClass.EMERGENCY: Told(
        title="Emergency calls",
        what="the line, the IP address and phone, when you called, whether and when you were answered, and what we did",
        why="to get help to you quickly, and to show afterwards that it worked",
        after="the call",
        subjects=_USERS,
    ),
    RetentionClass.DETAIL: Told(
        title="What the emergency services may ask about an emergency call",
        what="the number they were shown, the address on file, and who lets help in",
        why="to send help to the right place and to call you back",
        after="the call",
        subjects=_USERS,
    ),
    RetentionClass.RECORDING: Told(
        title="That a call was recorded",
        what="the line, what started it, when it ran and was paused, and what became of it; not what was said",
        why="to show what was recorded, and that somebody had asked for it",
        after="the recording ended, or was deleted",
        subjects=_USERS,
    ),
    RetentionClass.CONSENT: Told(
        title="What you agreed to, and what we told others",
        what="which line agreed to what, when, how and until when; who was told what, by your consent or by law",
        why="to show that we had your agreement, or had to tell",
        after="your agreement ended",
        subjects=_USERS,
    ),
    RetentionClass.ACCOUNT: Told(
        title="Your account, lines and numbers",
        what="our reference for your account, its lines and numbers and from when to when, and how you want your bills",
        why="to know who you are when you call, and which calls are on your bill",
        after="your last line or number ended",
        subjects="customers",
    ),
    RetentionClass.AUDIT: Told(
        title="Who looked at your data",
        what="which of our staff looked at or used which record, when, and why",
        why="to keep your data from being misused",
        after="the end of the month in which they looked",
        subjects="staff; the customers whose records they used",
    ),
    RetentionClass.AUDIT_ROOT: Told(
        title="Proof that the record of who looked was not changed",
        what="one check sum a month, with nobody in it",
        why="to show that nothing of that record was changed or removed",
        after="the end of the month",
        subjects="",
    ),
    RetentionClass.REGISTER: Told(
        title="Proof that our register of disclosures was not changed",
        what="one check sum for each entry, with nobody in it",
        why="to show that no entry of the register was put in, changed or removed",
        after="the entry",
        subjects="",
    ),
    RetentionClass.CALL: Told(
        title="Calls and texts that may stand on your bill",
        what="the line, the other number, when it was, for how long and how it ended; never what was said or written",
        why="to bill you accurately and to show you your itemised history",
        after="the call or text",
        subjects=_PARTIES,
    ),
    RetentionClass.UNBILLED: Told(
        title="Calls and texts that cost nothing",
        what="the same of incoming, missed, internal and free ones",
        why="to find out what went wrong when you report a problem",
        after="the call or text",
        subjects=_PARTIES,
    ),
    RetentionClass.VAT: Told(
        title="What your calls came to",
        what="for each line and month how many calls and seconds to which area or kind of number; no number, no day",
        why="because tax law asks for records of what we supplied",
        after="the month",
        subjects="customers",
    ),
    RetentionClass.REQUEST: Told(
        title="What you have asked us about your data",
        what="your account, what you asked for, how we checked that it was you, when we answered and what",
        why="to answer you within the month that the law gives us, and to show that we did",
        after="our answer",
        subjects="customers",
    ),
    RetentionClass.PLANNING: Told(
        title="Figures of traffic and devices",
        what="how many calls in which hour to which kind of number, how many lines with which phone; of ten lines on",
        why="to plan our network",
        after="the day or month",
        subjects="",
    ),
    RetentionClass.OPERATIONS: Told(
        title="How our own systems worked",
        what="counts and times, with nobody in them",
        why="to keep the service running, and to show what we did",
        after="they were counted",
        subjects="",
    ),
}

#: The sound itself.
RECORDED: dict[ContentClass, Told] = {
    ContentClass.USER: Told(
        title="Recordings that you asked for",
        what="the sound of a call in which your line pressed record, or has the recording service",
        why="because you asked for it",
        after="the call",
        subjects=_PARTIES,
    ),
    ContentClass.PA: Told(
        title="Recordings of the PA service",
        what="the sound of a call that the PA service took for you",
        why="so that the PA service can do what you have ordered",
        after="the call",
        subjects=_PARTIES,
    ),
    ContentClass.CUSTOMER_SERVICE: Told(
        title="Recordings of calls with customer services",
        what="the sound of your call with us, once you have heard that it is recorded",
        why="to settle questions about what was said and agreed",
        after="the call",
        subjects="callers, and our staff",
    ),
}

#: Heard, unheard, deleted.
VOICEMAIL: tuple[Told, Told, Told] = (
    Told(
        title="Voicemail that you have heard",
        what="the message, and the number it came from",
        why="so that you can hear it again",
        after="you heard it",
        subjects=_PARTIES,
    ),
    Told(
        title="Voicemail that you have not heard",
        what="the message, and the number it came from",
        why="so that you can hear it",
        after="it was left",
        subjects=_PARTIES,
    ),
    Told(
        title="Voicemail that you have deleted",
        what="the message, until it is deleted for good",
        why="so that you can take it back",
        after="you deleted it",
        subjects=_PARTIES,
    ),
)

#: What is kept of nobody.
NEVER: tuple[str, ...] = (
    "what is said in a call, unless it is recorded as this notice says",
    "what a text says",
    "which web sites you visit, or anything that passes over your connection",
    "the digits that you press in a call, so no card or security number",
)

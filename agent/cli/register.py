"""The register of disclosures for people: whether it is whole, its signed root, and proofs that others can check."""

import re
from collections.abc import Mapping
from json import dumps
from typing import Annotated, Any

import typer
from rich.console import Console

from agent import world
from agent.cli.common import (
    NONE_SUCH,
    PROBLEMS,
    STORE,
    USAGE,
    ConfigPath,
    Json,
    console,
    fail,
    group,
    line,
    settings,
    stored,
)
from agent.config import Config
from agent.core import merkle
from agent.core.disclosure import checkpoint, in_order, tree, verify
from agent.core.instants import rfc3339
from agent.core.records import Disclosure, Leaf, RetentionClass
from agent.ports import Reader, StoreError
from agent.stores.sqlite import ERASED, LOCKED
from agent.stores.vault.signing import Signer, proves

register = group("register", help="The register of disclosures: a Merkle log (RFC 9162) that nobody changes unseen.")

_DAY_MS = 86_400_000

Noted = Annotated[
    str | None, typer.Option("--root", help="A root noted earlier, as SIZE:ROOT: the register must begin with it.")
]


@register.command(name="verify")
def verify_(
    context: typer.Context,
    noted: Noted = None,
    public: Annotated[
        str | None, typer.Option("--public-key", help="The key that was noted earlier; else the agent's own.")
    ] = None,
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Tell whether an entry was put in, changed, removed or moved; exit code 1 if so.

    Give --root and --public-key as noted elsewhere: entries cut off at the end, and a register made anew by somebody
    who has root here, can be seen by those alone.
    """
    configured = settings(context, config, secrets_required=False)
    size_and_root = None if noted is None else _noted(noted)
    given = None if public is None else _public(public)
    since = world.now_ms() - configured.retention.days(RetentionClass.CONSENT) * _DAY_MS
    with stored(configured) as reader:
        leaves, entries = in_order(reader.read(Leaf.KIND)), _entries(reader)
    key = given or _key(configured, leaves)
    problems = list(
        verify(
            leaves,
            entries,
            lambda text, signature: proves(key, signature, text),
            kept_since=since,
            noted=size_and_root,
        )
    )
    unread = sum(entry is None for entry in entries.values())
    if json:
        head = _head(leaves, key)
        line(dumps(head | {"entries": len(entries), "unread": unread, "problems": problems}))
    else:
        for problem in problems:
            line(problem)
        if not problems:
            kept = f"{len(entries)} entries and {len(leaves)} leaves prove whole"
            Console(stderr=True).print(kept + (f"; {unread} entries cannot be read here" if unread else ""))
    raise typer.Exit(PROBLEMS if problems else 0)


@register.command()
def root(context: typer.Context, json: Json = False, config: ConfigPath = None) -> None:
    """Print the signed root and the public key; note both elsewhere, they say nothing about anybody."""
    configured = settings(context, config, secrets_required=False)
    with stored(configured, shown=False) as reader:
        leaves = in_order(reader.read(Leaf.KIND))
    if not leaves and not json:
        Console(stderr=True).print("nothing is in the register yet")
        return
    _shown(_head(leaves, _key(configured, leaves)), json=json)


@register.command()
def prove(
    context: typer.Context,
    id: Annotated[str, typer.Argument(help="The id of an entry, whole.")],
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Print the proof that an entry is in the register: its leaf hash leads with it to the signed root."""
    configured = settings(context, config, secrets_required=False)
    with stored(configured, shown=False) as reader:
        leaves = in_order(reader.read(Leaf.KIND))
    key = _key(configured, leaves)
    hashes = tree(leaves)
    number = next((leaf.seq for leaf in leaves if leaf.id == id), None)
    if number is None or number >= len(hashes):
        fail(NONE_SUCH, f"no entry has the id {id[:20]!a}")
    proof = [part.hex() for part in merkle.inclusion(hashes, number)]
    _shown(
        {"index": number, "commitment": leaves[number].commitment, "leaf": hashes[number].hex(), "proof": proof}
        | _head(leaves, key),
        json=json,
    )


@register.command()
def consistency(
    context: typer.Context,
    noted: Annotated[str, typer.Argument(help="A root noted earlier, as SIZE:ROOT.")],
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Print the proof that the register was not changed since a root was noted; exit code 1 where it was."""
    configured = settings(context, config, secrets_required=False)
    size, first = _noted(noted)
    with stored(configured, shown=False) as reader:
        leaves = in_order(reader.read(Leaf.KIND))
    key = _key(configured, leaves)
    hashes = tree(leaves)
    if size > len(hashes):
        fail(PROBLEMS, f"the register has {len(hashes)} leaves, not {size}: its last ones were cut off")
    proof = merkle.consistency(hashes, size)
    head = _head(leaves, key)
    whole = merkle.verify_consistency(size, len(hashes), proof, bytes.fromhex(first), bytes.fromhex(head["root"]))
    if not whole:
        fail(PROBLEMS, "the register does not begin with what that root was of")
    _shown({"first": size, "first_root": first, "proof": [part.hex() for part in proof]} | head, json=json)


def _head(leaves: list[Leaf], key: str) -> dict[str, Any]:
    """The signed root: size, root, when it was signed, the signature over `agent.core.disclosure.checkpoint`."""
    if not leaves:
        return {"size": 0, "root": merkle.EMPTY.hex(), "at": None, "signature": None, "public_key": key}
    last = leaves[-1]
    signed = proves(key, last.signature, checkpoint(last.seq + 1, last.root, last.at))
    if not signed:
        fail(PROBLEMS, "the signature of the last root is not the register's: see register verify")
    return {
        "size": last.seq + 1,
        "root": last.root,
        "at": rfc3339(last.at),
        "signature": last.signature,
        "public_key": key,
    }


def _entries(reader: Reader) -> dict[str, Disclosure | None]:
    found: dict[str, Disclosure | None] = {}
    for entry in reader.read(Disclosure.KIND):
        if isinstance(entry, Disclosure):
            found[entry.id] = None if entry.salt in (LOCKED, ERASED) else entry
    return found


def _key(configured: Config, leaves: list[Leaf]) -> str:
    """The public key; empty before there is anything that it has signed."""
    try:
        return Signer(configured.keyring, make=False).public
    except StoreError as error:
        if not leaves:
            return ""
        fail(STORE, str(error), error.hint)


def _noted(text: str) -> tuple[int, str]:
    match = re.fullmatch(r"([1-9]\d{0,8}):([0-9a-f]{64})", text)
    if match is None:
        fail(USAGE, f"{text[:80]!a} is no root: write SIZE:ROOT, as 57:0f…")
    return int(match[1]), match[2]


def _public(text: str) -> str:
    if re.fullmatch("[0-9a-f]{64}", text) is None:
        fail(USAGE, "--public-key takes 64 hexadecimal digits, as register root prints them")
    return text


def _shown(said: Mapping[str, Any], *, json: bool) -> None:
    if json:
        line(dumps(said))
        return
    for name, value in said.items():
        for each in value if isinstance(value, list) else [value]:
            console().print(f"{name.replace('_', ' ')} {each}", highlight=False, soft_wrap=True)

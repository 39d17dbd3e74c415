"""The Merkle tree against the vectors of the certificate-transparency reference, and against any change of a bit."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.merkle import (
    EMPTY,
    Frontier,
    consistency,
    inclusion,
    leaf_hash,
    node_hash,
    root,
    verify_consistency,
    verify_inclusion,
)

#: The published leaves, roots and proofs: transparency-dev/merkle, testonly/constants.go and its proof tests.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}

SIZES = st.integers(1, 70)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(size)]


def flipped(value: bytes, bit: int) -> bytes:
    changed = bytearray(value)
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots(size: int) -> None:
    assert root(LEAVES[:size]).hex() == ROOTS[size]


def test_leaves_and_nodes_are_hashed_apart() -> None:
    assert leaf_hash(b"entry") == sha256(b"\x00entry").digest()
    assert node_hash(b"l", b"r") == sha256(b"\x01lr").digest()
    assert root([]) == EMPTY == sha256(b"").digest()


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_published_inclusion_proofs(index: int, size: int) -> None:
    proof = inclusion(LEAVES[:size], index)
    assert [part.hex() for part in proof] == INCLUSION[index, size]
    assert verify_inclusion(LEAVES[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("first", "second"), CONSISTENCY)
def test_the_published_consistency_proofs(first: int, second: int) -> None:
    proof = consistency(LEAVES[:second], first)
    assert [part.hex() for part in proof] == CONSISTENCY[first, second]
    assert verify_consistency(first, second, proof, bytes.fromhex(ROOTS[first]), bytes.fromhex(ROOTS[second]))


@given(SIZES)
def test_a_tree_grows_to_the_root_that_its_definition_gives(size: int) -> None:
    def defined(part: list[bytes]) -> bytes:
        """MTH of RFC 9162, 2.1.1, word for word."""
        if len(part) == 1:
            return part[0]
        half = max(1 << power for power in range(8) if 1 << power < len(part))
        return node_hash(defined(part[:half]), defined(part[half:]))

    frontier = Frontier()
    for number, leaf in enumerate(leaves(size), 1):
        frontier.append(leaf)
        assert frontier.root() == defined(leaves(number))
        assert len(frontier.peaks) == number.bit_count()


@given(SIZES, st.data())
def test_every_inclusion_proof_verifies_and_no_changed_one_does(size: int, data: st.DataObject) -> None:
    tree = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof, top = inclusion(tree, index), root(tree)
    assert verify_inclusion(tree[index], index, size, proof, top)
    bit = data.draw(st.integers(0, 255))
    assert not verify_inclusion(flipped(tree[index], bit), index, size, proof, top)
    assert not verify_inclusion(tree[index], index, size, proof, flipped(top, bit))
    other = data.draw(st.integers(-1, size + 1).filter(lambda number: number != index))
    assert not verify_inclusion(tree[index], other, size, proof, top)
    assert not verify_inclusion(tree[index], index, size, [*proof, tree[0]], top)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [flipped(part, bit) if number == place else part for number, part in enumerate(proof)]
        assert not verify_inclusion(tree[index], index, size, changed, top)
        assert not verify_inclusion(tree[index], index, size, proof[:-1], top)


@given(SIZES, st.data())
def test_every_consistency_proof_verifies_and_no_changed_one_does(size: int, data: st.DataObject) -> None:
    tree = leaves(size)
    first = data.draw(st.integers(1, size))
    proof, before, after = consistency(tree, first), root(tree[:first]), root(tree)
    assert verify_consistency(first, size, proof, before, after)
    bit = data.draw(st.integers(0, 255))
    assert not verify_consistency(first, size, proof, flipped(before, bit), after)
    assert not verify_consistency(first, size, proof, before, flipped(after, bit))
    assert not verify_consistency(first, size, [*proof, tree[0]], before, after)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [flipped(part, bit) if number == place else part for number, part in enumerate(proof)]
        assert not verify_consistency(first, size, changed, before, after)
        assert not verify_consistency(first, size, proof[:-1], before, after)


@given(SIZES, st.data())
def test_no_proof_leads_to_a_tree_whose_past_is_another(size: int, data: st.DataObject) -> None:
    tree = leaves(size)
    first = data.draw(st.integers(1, size))
    place = data.draw(st.integers(0, first - 1))
    rewritten = [*tree]
    match data.draw(st.sampled_from(["changed", "removed", "inserted"])):
        case "changed":
            rewritten[place] = leaf_hash(b"another")
        case "removed":
            del rewritten[place]
        case "inserted":
            rewritten.insert(place, leaf_hash(b"another"))
    if first <= len(rewritten):
        proof = consistency(rewritten, first)
        assert not verify_consistency(first, len(rewritten), proof, root(tree[:first]), root(rewritten))


@pytest.mark.parametrize("size", [0, 1, 5])
def test_there_is_no_proof_of_what_is_not_there(size: int) -> None:
    tree = leaves(size)
    for index in (-1, size):
        with pytest.raises(IndexError):
            inclusion(tree, index)
    for first in (-1, 0, size + 1):
        with pytest.raises(IndexError):
            consistency(tree, first)
        assert not verify_consistency(first, size, [], EMPTY, EMPTY)

"""The Merkle tree of RFC 9162, section 2.1, over SHA-256: its root, its proofs, and how they are verified.

A hash commits to the whole list of entries. An inclusion proof shows that an entry is in the tree that a root commits
to, a consistency proof that a larger tree begins with all entries of a smaller one: nothing of it was changed, removed
or put in between. Leaves and nodes are hashed apart (0x00, 0x01), so that no node can be passed off as an entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

#: The root of no entries at all.
EMPTY = sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry, 32 bytes."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node above two others."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Frontier:
    """The roots of the full subtrees of a tree, largest first: enough to append, in O(log n), and for its root."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Add an entry by its `leaf_hash`."""
        self.size += 1
        self.peaks.append(leaf)
        # As many pairs close as the new size has zero bits at its end.
        for _ in range((self.size & -self.size).bit_length() - 1):
            right = self.peaks.pop()
            self.peaks.append(node_hash(self.peaks.pop(), right))

    def root(self) -> bytes:
        """The root of the tree so far."""
        if not self.peaks:
            return EMPTY
        *others, found = self.peaks
        for peak in reversed(others):
            found = node_hash(peak, found)
        return found


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that entry ``index`` (from 0) is in the tree over ``leaves``: RFC 9162, 2.1.3.1.

    Raises:
        IndexError: there is no such entry.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    half = _split(len(leaves))
    if index < half:
        return [*inclusion(leaves[:half], index), root(leaves[half:])]
    return [*inclusion(leaves[half:], index - half), root(leaves[:half])]


def consistency(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """The proof that the tree over ``leaves`` begins with the one over its ``first`` leaves: RFC 9162, 2.1.4.1.

    Raises:
        IndexError: there is no such smaller tree.
    """
    if not 0 < first <= len(leaves):
        raise IndexError(first)
    return _subproof(leaves, first, known=True)


def _subproof(leaves: Sequence[bytes], first: int, *, known: bool) -> list[bytes]:
    """``known``: who verifies has the root of the first leaves, because it is the smaller tree's."""
    if first == len(leaves):
        return [] if known else [root(leaves)]
    half = _split(len(leaves))
    if first <= half:
        return [*_subproof(leaves[:half], first, known=known), root(leaves[half:])]
    return [*_subproof(leaves[half:], first - half, known=False), root(leaves[:half])]


def _split(size: int) -> int:
    """The largest power of two that is smaller than ``size``."""
    return 1 << (size - 1).bit_length() - 1


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the entry with the hash ``leaf`` is number ``index`` (from 0) of the tree: RFC 9162, 2.1.3.2."""
    if not 0 <= index < size:
        return False
    number, last, found = index, size - 1, leaf
    for part in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(part, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, part)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Whether the tree of ``second`` entries begins with the one of ``first``: RFC 9162, 2.1.4.2."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    path = list(proof)
    if first & (first - 1) == 0:
        # A full subtree is its own first part of the proof.
        path.insert(0, first_root)
    if not path:
        return False
    number, last = first - 1, second - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    smaller = larger = path[0]
    for part in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            smaller, larger = node_hash(part, smaller), node_hash(part, larger)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            larger = node_hash(larger, part)
        number, last = number >> 1, last >> 1
    return last == 0 and smaller == first_root and larger == second_root

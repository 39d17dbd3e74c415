"""The key that the agent signs its reports with: Ed25519, in a file of its own beside the keyring."""

from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from agent.ports import StoreError
from agent.stores.vault.errors import explained
from agent.stores.vault.keyfile import write_new


class Signer:
    """Signs with the key of a keyring's agent.

    Raises:
        StoreError: the key cannot be read, or made where there is none.
    """

    def __init__(self, keyring: Path, *, make: bool = True) -> None:
        path = keyring.with_name(keyring.name + ".signing")
        try:
            if make:
                with suppress(FileExistsError):
                    write_new(path, Ed25519PrivateKey.generate().private_bytes_raw().hex() + "\n", like=path.parent)
            self._key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text(encoding="ascii")))
        except FileNotFoundError:
            raise StoreError(f"there is no key {path}", "no report was signed here yet") from None
        except OSError as error:
            raise explained(error, path) from None
        except ValueError:
            raise StoreError(f"the key {path} is damaged", "restore it from a backup") from None

    @property
    def public(self) -> str:
        """The public key, 64 hexadecimal digits."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, data: bytes) -> str:
        """The signature of ``data``, 128 hexadecimal digits."""
        return self._key.sign(data).hex()


def proves(public: str, signature: str, data: bytes) -> bool:
    """Whether the holder of the key ``public`` signed ``data``; False where one of them is no hexadecimal."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), data)
    except (InvalidSignature, ValueError):
        return False
    return True

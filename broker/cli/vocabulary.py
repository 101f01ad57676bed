"""Words of the command line that a key is asked for with; light, for every start loads them."""

from enum import StrEnum


class Purpose(StrEnum):
    """What a key is made for."""

    ROOT = "root"
    ADMINISTRATOR = "administrator"
    AGENCY = "agency"
    DESK = "desk"
    CLIENT = "client"
    RECEIPT = "receipt"
    TOKEN = "token"  # noqa: S105 - a purpose, no password


class Signing(StrEnum):
    """How the keys made here sign."""

    ED25519 = "Ed25519"
    ES256 = "ES256"


class Wrapping(StrEnum):
    """How a desk's content keys are wrapped."""

    HPKE_9_KE = "HPKE-9-KE"
    HPKE_10_KE = "HPKE-10-KE"

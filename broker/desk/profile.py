"""Which gateway, as whom, with which keys? One ``profile.toml`` beside the files it names.

Secrets are in files of their own: the passphrase of the key bundle comes from a file, never
from the command line or the value of a variable, where every process list shows it.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from broker.admission.use import is_reader
from broker.desk.guarded_file import NOT_FOR_OTHERS, NOT_FOR_OTHERS_TO_WRITE, read_guarded
from broker.errors import ConfigurationError
from broker.evidence.receipts import parse_agency, parse_desk
from broker.model.names import AgencyRef, DeskRef
from keys.custody.passphrase import CREDENTIAL_SCHEME, read_passphrase
from keys.custody.provider import is_token
from keys.errors import KeyFormatError
from keys.identifiers import KeyId, parse_kid
from keys.secret import Passphrase
from schemas.vocabulary import Language

PROFILE_FILE: Final = "profile.toml"
PASSPHRASE_VARIABLE: Final = "ENLACE_PASSPHRASE_FILE"  # noqa: S105 - names a file
MAX_PROFILE_BYTES: Final = 64 * 1024
MAX_PASSPHRASE_BYTES: Final = 4096
REQUIRED: Final = (
    "gateway",
    "issuer",
    "client_id",
    "subject",
    "authentication_key",
    "signature_key",
)
OPTIONAL: Final = (
    "language",
    "ca_file",
    "key_file",
    "roots_file",
    "passphrase_file",
    "seen_file",
    "reader",
    "purpose",
)
SEEN_SUFFIX: Final = ".seen.json"
CLIENT_ID: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a system of an agency or a desk must know to speak to the gateway."""

    gateway: str
    """Base URL; HTTPS, but for a gateway on this very machine."""
    issuer: str
    """The issuer string, which tokens and receipts must carry."""
    client_id: str
    subject: AgencyRef | DeskRef
    """``MX/fiscalia`` sends, ``GT.intelligence`` receives."""
    authentication_key: KeyId
    """Which key of the bundle authenticates the client."""
    signature_key: KeyId
    """Which key of the bundle signs messages (an agency) or answers (a desk)."""
    language: Language = Language.ENGLISH
    """Of the gateway's texts."""
    key_file: Path = Path("client.key")
    """The encrypted bundle: both keys above, and a desk's decryption keys."""
    roots_file: Path = Path("roots.json")
    """The pinned keys; see :mod:`broker.desk.pins`."""
    ca_file: Path | None = None
    """Trust this authority instead of the machine's."""
    passphrase_file: Path | None = None
    """``ENLACE_PASSPHRASE_FILE`` comes before it."""
    seen_file: Path | None = None
    """Which signed documents were seen; see :mod:`broker.recollection`."""
    reader: str | None = None
    """In which role people read at this desk (SG-06); never a person's name."""
    purpose: str | None = None
    """What they read for, where it is not what each message says."""
    source: Path | None = field(default=None, compare=False, repr=False)
    """The file that it was read from, to read it again; no part of what it says."""

    def __post_init__(self) -> None:
        _check_base_url(self.gateway)
        if CLIENT_ID.fullmatch(self.client_id) is None:
            raise ConfigurationError("client_id: expected 1 to 64 of a-z, 0-9 and -")
        if self.reader is not None and not is_reader(self.reader):
            raise ConfigurationError("reader: expected a role of 1 to 64 characters, no address")

    @property
    def desk(self) -> DeskRef:
        """The desk that this profile is for.

        Raises:
            ConfigurationError: It is an agency's.
        """
        if isinstance(self.subject, DeskRef):
            return self.subject
        raise ConfigurationError(f"subject: {self.subject} is an agency, and only a desk receives")

    @classmethod
    def load(cls, path: Path) -> "Profile":
        """Read a profile.

        Args:
            path: The TOML file, or the folder that holds ``profile.toml``. Paths inside it
                are relative to its folder.

        Raises:
            ConfigurationError: The file or a key of it is missing, unknown, malformed or
                writable by others; the text names it.
        """
        file = path / PROFILE_FILE if path.is_dir() else path
        data = read_guarded(file, forbidden=NOT_FOR_OTHERS_TO_WRITE, at_most=MAX_PROFILE_BYTES)
        try:
            members = tomllib.loads(data.decode("utf-8"))
        except ValueError as error:
            raise ConfigurationError(f"{file}: not TOML ({error})") from None
        return _profile(_texts(members, file), file)

    def write(self, folder: Path) -> Path:
        """Write ``profile.toml`` for the tools that set a country up; never overwrites.

        Paths that lie in the folder are written relative to it.

        Raises:
            ConfigurationError: It exists, or the folder cannot be written.
        """
        file = folder / PROFILE_FILE
        lines = [f"{name} = {_quoted(value)}\n" for name, value in _members(self, folder).items()]
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.writelines(lines)
        except OSError as error:
            raise ConfigurationError(f"{file}: {error.strerror}") from None
        return file

    def find_passphrase_file(self, environ: Mapping[str, str] = os.environ) -> Path | None:
        """Which file holds the passphrase of the key bundle? None: a person is asked."""
        named = environ.get(PASSPHRASE_VARIABLE)
        return Path(named) if named else self.passphrase_file

    def passphrase(self, environ: Mapping[str, str] = os.environ) -> Passphrase:
        """Read the passphrase of the key bundle; one line end is cut off.

        Raises:
            ConfigurationError: No file is named, or others may read it.
        """
        file = self.find_passphrase_file(environ)
        if file is None:
            raise ConfigurationError(
                f"passphrase_file: set it in the profile, or name a file in {PASSPHRASE_VARIABLE}"
            )
        if str(file).startswith(CREDENTIAL_SCHEME):
            return read_passphrase(file, environ)
        data = read_guarded(file, forbidden=NOT_FOR_OTHERS, at_most=MAX_PASSPHRASE_BYTES)
        return Passphrase(data.removesuffix(b"\n").removesuffix(b"\r"))


def _texts(members: Mapping[str, object], file: Path) -> dict[str, str]:
    for name, value in members.items():
        if name not in (*REQUIRED, *OPTIONAL):
            raise ConfigurationError(f"{file}: unknown key {name}")
        if not isinstance(value, str):
            raise ConfigurationError(f"{file}: {name} must be a text")
    for name in REQUIRED:
        if name not in members:
            raise ConfigurationError(f"{file}: {name} is missing")
    return {name: str(value) for name, value in members.items()}


def _profile(members: Mapping[str, str], file: Path) -> Profile:
    folder = file.parent

    def beside(name: str) -> Path | None:
        if name not in members:
            return None
        # A token or a credential is a place of its own, wherever the profile lies.
        is_elsewhere = is_token(members[name]) or members[name].startswith(CREDENTIAL_SCHEME)
        return Path(members[name]) if is_elsewhere else folder / members[name]

    return Profile(
        gateway=members["gateway"].rstrip("/"),
        issuer=members["issuer"],
        client_id=members["client_id"],
        subject=_subject(members["subject"]),
        authentication_key=_kid(members, "authentication_key"),
        signature_key=_kid(members, "signature_key"),
        language=_language(members.get("language", Language.ENGLISH)),
        key_file=beside("key_file") or folder / "client.key",
        roots_file=beside("roots_file") or folder / "roots.json",
        ca_file=beside("ca_file"),
        passphrase_file=beside("passphrase_file"),
        seen_file=beside("seen_file") or file.with_suffix(SEEN_SUFFIX),
        reader=members.get("reader"),
        purpose=members.get("purpose"),
        source=file,
    )


def _members(profile: Profile, folder: Path) -> dict[str, str]:
    members = {
        "gateway": profile.gateway,
        "issuer": profile.issuer,
        "client_id": profile.client_id,
        "subject": str(profile.subject),
        "authentication_key": profile.authentication_key,
        "signature_key": profile.signature_key,
        "language": profile.language.value,
    }
    said = {"reader": profile.reader, "purpose": profile.purpose}
    members |= {name: text for name, text in said.items() if text is not None}
    for name in ("key_file", "roots_file", "ca_file", "passphrase_file", "seen_file"):
        path: Path | None = getattr(profile, name)
        if path is not None:
            inside = path.is_relative_to(folder)
            members[name] = str(path.relative_to(folder) if inside else path)
    return members


def _check_base_url(url: str) -> None:
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ConfigurationError("gateway: expected a base URL such as https://enlace.example")
    if parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname)):
        return
    raise ConfigurationError("gateway: expected https; http only to this very machine")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _subject(text: str) -> AgencyRef | DeskRef:
    try:
        return parse_agency(text) if "/" in text else parse_desk(text)
    except ValueError:
        raise ConfigurationError(
            "subject: expected an agency (MX/fiscalia) or a desk (GT.intelligence)"
        ) from None


def _kid(members: Mapping[str, str], name: str) -> KeyId:
    try:
        return parse_kid(members[name])
    except KeyFormatError:
        raise ConfigurationError(f"{name}: not a key id") from None


def _language(text: str) -> Language:
    try:
        return Language(text)
    except ValueError:
        raise ConfigurationError("language: expected es, en or fr") from None


def _quoted(text: str) -> str:
    # A TOML basic string has JSON's escapes; control characters have no place in a path.
    if not text.isprintable():
        raise ConfigurationError("a profile holds printable text only")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""Is what we tell people to run hardened, and does it keep its secrets?"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.settings import Mode, Settings, load_settings

Service = Mapping[str, Any]

SECRET = re.compile(r"PASSWORD|PASSPHRASE|SECRET|TOKEN|KEY|CREDENTIAL|LEDGER_URL|AMQP_URL")
NOT_GUESSED = re.compile(r"\$\{[A-Z_]+(:\?[^}]+|:-443)\}")
"""A variable without a value stops the start; only the published port has a default."""


@pytest.fixture(scope="module")
def compose(root: Path) -> Mapping[str, Any]:
    """``docker-compose.yml``, anchors and merges resolved."""
    document = yaml.safe_load((root / "docker-compose.yml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


@pytest.fixture(scope="module")
def services(compose: Mapping[str, Any]) -> Mapping[str, Service]:
    """The services by name."""
    return dict(compose["services"])


@pytest.fixture(scope="module")
def secrets(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``deploy/make-secrets`` writes."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    folder = tmp_path_factory.mktemp("clone") / "deploy"
    (folder / "secrets").mkdir(parents=True)
    shutil.copy(root / "deploy" / "make-secrets", folder)
    run_make_secrets(folder)
    return folder / "secrets"


def run_make_secrets(folder: Path, name: str = "exchange.example.org") -> str:
    """Run the script; give back all that it says."""
    done = subprocess.run(
        [folder / "make-secrets", name], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout + done.stderr


def test_compose_hardens_every_service_when_it_runs(services: Mapping[str, Service]) -> None:
    """No service can write its image, gain privileges, or use a capability."""
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"].startswith("${ENLACE_UID:?"), name
        assert "privileged" not in service, name
        assert "cap_add" not in service, name


def test_compose_asks_for_health_when_a_service_stays(services: Mapping[str, Service]) -> None:
    """Every service that stays up can be asked whether it works."""
    lasting = {name: one for name, one in services.items() if one["restart"] != "no"}

    assert len(lasting) == len(services) - 1
    for name, service in lasting.items():
        assert service["healthcheck"]["test"][0] == "CMD", name


def test_compose_runs_two_gateways_when_one_fails(services: Mapping[str, Service]) -> None:
    """Two gateways with one configuration stand behind one balancer; nobody else is reachable.

    Only what each has seen decided, it remembers for itself.
    """
    gateways = [dict(one) for one in services.values() if one.get("command") == ["gateway"]]
    memories = [one.pop("volumes") for one in gateways]
    published = [name for name, one in services.items() if "ports" in one]

    assert len(gateways) == 2
    assert gateways[0] == gateways[1]
    assert memories[0] != memories[1]
    assert published == ["balancer"]


def test_compose_closes_networks_when_nobody_outside_needs_them(
    compose: Mapping[str, Any], services: Mapping[str, Service]
) -> None:
    """Only the balancer has a way out; a desk shares no network with a ledger or a queue."""
    networks = compose["networks"]
    open_networks = {name for name, one in networks.items() if not one.get("internal")}

    members = {
        name: {service for service, one in services.items() if name in one["networks"]}
        for name in networks
    }

    assert open_networks == {"front"}
    assert members["front"] == {"balancer"}
    assert members["country"] == {"balancer", "desk"}
    assert members["carry"] == {"rabbitmq", "gateway-1", "gateway-2"}
    assert members["store"] == {"postgresql", "upgrade", "gateway-1", "gateway-2"}


def test_compose_names_secrets_by_file_when_a_service_needs_one(
    compose: Mapping[str, Any], services: Mapping[str, Service]
) -> None:
    """No secret is the value of a variable, and each one that is declared is used."""
    used = set()
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert str(value).startswith("/run/secrets/"), name
        for one in service.get("secrets", ()):
            used.add(one if isinstance(one, str) else one["source"])

    assert used == set(compose["secrets"])
    assert all(one["file"].startswith("deploy/secrets/") for one in compose["secrets"].values())


def test_compose_has_no_default_secret_when_it_is_read(root: Path) -> None:
    """No password stands in the file, in a URL or as the default of a variable."""
    text = (root / "docker-compose.yml").read_text(encoding="utf-8")
    variables = re.findall(r"\$\{[^}]*\}", text)

    assert not re.search(r"://[^/\s@]*:[^/\s@]*@", text)
    assert variables
    assert [one for one in variables if not NOT_GUESSED.fullmatch(one)] == []


def test_compose_names_images_by_tag_when_it_pulls_them(services: Mapping[str, Service]) -> None:
    """No image is whatever is newest on that day."""
    for name, service in services.items():
        assert re.fullmatch(r"[a-z]+:[0-9][a-z0-9.-]*", service["image"]), name


def test_compose_mounts_files_that_exist_when_it_starts(
    root: Path, services: Mapping[str, Service]
) -> None:
    """Docker makes an empty folder of a file that is missing, and the service starts wrong."""
    mounted = [
        source
        for service in services.values()
        for source in (str(volume).split(":")[0] for volume in service.get("volumes", ()))
        if source.startswith("./")
    ]

    assert len(mounted) >= 3
    assert [source for source in mounted if not (root / source).is_file()] == []


def test_gateway_accepts_its_settings_when_compose_gives_them(
    services: Mapping[str, Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables are settings that exist, and production mode is content with them."""
    environment = services["gateway-1"]["environment"]
    for name in [name for name in os.environ if name.startswith("ENLACE_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, re.sub(r"\$\{ENLACE_HOSTNAME[^}]*\}", "a.example.org", value))

    settings = load_settings()

    assert settings.mode is Mode.PRODUCTION
    assert settings.base_url == "https://a.example.org"
    known = {f"ENLACE_{name.upper()}" for name in Settings.model_fields}
    assert set(environment) <= known


def test_gateway_believes_only_the_balancer_when_it_reads_an_address(
    services: Mapping[str, Service],
) -> None:
    """The trusted proxy is the balancer's own address and no network."""
    trusted = services["gateway-1"]["environment"]["ENLACE_TRUSTED_PROXIES"]

    assert trusted == services["balancer"]["networks"]["edge"]["ipv4_address"]


def test_balancer_replaces_the_address_when_a_caller_claims_one(root: Path) -> None:
    """What a caller wrote into the forwarding headers does not reach a gateway."""
    text = (root / "deploy" / "haproxy.cfg").read_text(encoding="utf-8")

    assert "http-request set-header X-Forwarded-For %[src]" in text
    assert "http-request del-header Forwarded" in text
    assert "ssl verify required" in text
    assert "verify none" not in text


def test_make_secrets_writes_private_files_when_it_runs(
    compose: Mapping[str, Any], secrets: Path
) -> None:
    """Each secret is 0600, drawn anew, and one that compose asks for."""
    made = {path for path in secrets.rglob("*") if path.is_file()}
    declared = {Path(one["file"]).name for one in compose["secrets"].values()}
    drawn = [path for path in made if re.fullmatch(r"[0-9a-f]{64}\n", path.read_text("utf-8"))]

    assert {path.name for path in made} - declared == {"compose.env", "rabbitmq_password"}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert len(drawn) == 6
    assert len({path.read_text("utf-8") for path in drawn}) == 6


def test_make_secrets_changes_nothing_when_it_runs_again(secrets: Path) -> None:
    """Running it twice renews no password behind the back of a server that knows the old one."""
    before = {path: path.read_bytes() for path in secrets.rglob("*") if path.is_file()}

    said = run_make_secrets(secrets.parent)

    assert {path: path.read_bytes() for path in before} == before
    contents = {data.decode().strip() for data in before.values()}
    assert not any(secret in said for secret in contents if re.fullmatch(r"[0-9a-f]{64}", secret))


def test_make_secrets_refuses_a_name_when_it_is_no_host_name(secrets: Path) -> None:
    """Nothing that is not a host name gets into a setting."""
    with pytest.raises(subprocess.CalledProcessError):
        run_make_secrets(secrets.parent, "a.example.org\nENLACE_UID=0")


def test_image_leaves_out_everything_when_it_is_not_named(root: Path) -> None:
    """The build sees only what the allow-list names, so no secret gets into a layer."""
    lines = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    allowed = {line.removeprefix("!") for line in rules if line.startswith("!")}

    assert rules[0] == "*"
    assert all((root / name).exists() for name in allowed)
    assert not allowed & {"deploy", "docs", "tests", ".git"}


def test_image_runs_without_rights_when_it_starts(root: Path) -> None:
    """The last user is not root, pip checks hashes, and health can be asked."""
    text = (root / "Dockerfile").read_text(encoding="utf-8")
    installs = re.findall(r"pip install ([^\\\n]*)", text)

    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)

"""Where a source is, and what TLS must do there."""

from pathlib import Path

import pytest

from streamer.config import SourceSettings
from streamer.errors import UsageError
from streamer.model import Secret
from streamer.postgres.address import Address, protection, resolve


def of(dsn: str) -> Address:
    return resolve(SourceSettings(dsn=Secret(dsn)))


def test_a_dsn_is_taken_apart_and_decoded():
    address = of("postgres://us%40er:p%2Fw%3A@db.example:6000/my%20db?sslmode=require")

    assert (address.hosts, address.ports) == (("db.example",), (6000,))
    assert (address.user, address.database, address.sslmode) == ("us@er", "my db", "require")
    assert address.password is not None
    assert address.password.reveal() == "p/w:"
    assert "p/w" not in repr(address)
    assert address.where == "db.example:6000"


@pytest.mark.parametrize(
    ("dsn", "hosts", "ports"),
    [
        ("postgresql://[::1]:5433/d", ("::1",), (5433,)),
        ("postgresql://a,b:1234/d", ("a", "b"), (5432, 1234)),
        ("postgresql://%2Frun%2Fpostgresql/d", ("/run/postgresql",), (5432,)),
        ("postgresql:///d?host=/run/postgresql&port=5433", ("/run/postgresql",), (5433,)),
        ("postgresql:///d", (), (5432,)),
    ],
)
def test_hosts_and_ports_of_every_spelling(
    dsn: str, hosts: tuple[str, ...], ports: tuple[int, ...]
):
    address = of(dsn)

    assert (address.hosts, address.ports) == (hosts, ports)
    assert address.database == "d"


def test_parts_fill_what_the_dsn_leaves_open():
    settings = SourceSettings(
        dsn=Secret("postgresql://db.example/d"), user="u", password=Secret("p"), port=7000
    )

    address = resolve(settings)

    assert (address.user, address.ports, address.database) == ("u", (7000,), "d")


@pytest.mark.parametrize(
    "dsn",
    [
        "mysql://u:canary@h/d",
        "postgresql://u:canary@h:port/d",
        "postgresql://u:canary@[h/d",
        "postgresql://u:canary@h/d?options=-c%20x",
        "postgresql://u:canary@h/d?sslmode=maybe",
        "postgresql://u:canary@h,g:1,2,3/d?port=1,2,3",
    ],
)
def test_a_dsn_that_cannot_be_understood_is_refused_without_being_quoted(dsn: str):
    with pytest.raises(UsageError) as caught:
        of(dsn)

    assert "canary" not in str(caught.value)
    assert caught.value.hint


REMOTE = Address(hosts=("db.example",), ports=(5432,))


def test_a_host_that_is_not_this_machine_is_verified_by_default():
    wanted = protection(REMOTE, None)

    assert (wanted.mode, wanted.root, wanted.warning) == ("verify-full", None, "")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1", "/run/postgresql"])
def test_loopback_needs_no_tls_and_no_warning(host: str):
    wanted = protection(Address(hosts=(host,), ports=(5432,)), None)

    assert (wanted.mode, wanted.warning) == ("prefer", "")


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_less_than_everything_is_done_when_written_and_warned_about(mode: str):
    wanted = protection(Address(hosts=("10.0.0.1",), ports=(5432,), sslmode=mode), None)

    assert wanted.mode == mode
    assert "verify-full" in wanted.warning
    assert "10.0.0.1:5432" in wanted.warning


def test_a_root_certificate_makes_require_verify_as_in_libpq(tmp_path: Path):
    root = tmp_path / "root.crt"

    wanted = protection(
        Address(hosts=("h",), ports=(1,), sslmode="require", sslrootcert=str(root)), None
    )

    assert (wanted.mode, wanted.root) == ("verify-ca", root)


def test_the_root_certificate_in_the_home_folder_is_used_unless_system_is_written(tmp_path: Path):
    usual = tmp_path / ".postgresql" / "root.crt"
    usual.parent.mkdir()
    usual.touch()

    assert protection(REMOTE, tmp_path).root == usual
    assert protection(Address(("h",), (1,), sslrootcert="system"), tmp_path).root is None

"""What the agent tells of its host: as it is, when it changed, and with its faults."""

import datetime as dt
import importlib.metadata
import json
import os
import platform
import pwd
import re
import time
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import NameOID

from hub.agent.configuration import BackupSettings, CertificateSettings, Configuration
from hub.agent.facts import TELL_AGAIN_SECONDS, FactReader
from hub.agent.host_facts.backups import read_backups
from hub.agent.host_facts.certificates import read_certificates
from hub.agent.inventory import inventory_signature, read_inventory
from hub.agent.language_packages import read_language_packages
from hub.agent.packages import Package
from hub.agent.system import read_os
from hub.agent.watch.host import Host
from hub.agent.watch.sudoers import SudoRule, parse_sudo_rules
from hub.ingest.host_facts import HostFacts


def certificate(name: str, *, days: int) -> bytes:
    """Return a certificate that was made for itself and expires in so many days."""
    key, now = ed25519.Ed25519PrivateKey.generate(), dt.datetime.now(dt.UTC)
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(names)
        .issuer_name(names)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=90))
        .not_valid_after(now + dt.timedelta(days=days))
        .sign(key, None)
    )
    return made.public_bytes(serialization.Encoding.PEM)


def test_the_facts_are_those_of_this_machine_and_fit_the_report() -> None:
    told = FactReader().changed()
    facts = HostFacts.model_validate(json.loads(json.dumps(told)))
    running = [kernel for kernel in facts.kernels or () if kernel.is_running]
    assert [kernel.release for kernel in running] == [platform.release()]
    assert running[0].build == platform.version()
    assert [account.name for account in facts.accounts or ()] == [
        entry.pw_name for entry in pwd.getpwall()
    ]
    ports = {
        (each.laddr.ip, each.laddr.port)
        for each in psutil.net_connections(kind="tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr
    }
    tcp = {(each.address, each.port) for each in facts.listening or () if each.protocol == "tcp"}
    assert tcp >= {place for place in ports if place[1] < 1024}


def test_facts_are_told_when_they_changed_and_every_six_hours(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    passwd = tmp_path / "etc/passwd"
    passwd.write_text("root:x:0:0:root:/root:/bin/bash\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    now = [0.0]
    reader = FactReader(monotonic=lambda: now[0], host=Host(tmp_path))
    assert reader.changed()["accounts"][0]["groups"] == ["root"]
    now[0] += 3_600
    assert reader.changed() == {}
    passwd.write_text("root:x:0:0:root:/root:/bin/bash\neve:x:0:0::/:/bin/sh\n")
    now[0] += 60
    assert list(reader.changed()) == ["accounts"]
    now[0] += TELL_AGAIN_SECONDS
    assert {"accounts", "kernels", "sudoers"} <= reader.changed().keys()
    reader.forget()
    assert "kernels" in reader.changed()


def test_certificates_say_when_they_expire_or_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "good.pem").write_bytes(certificate("www.example.com", days=20))
    (tmp_path / "bad.pem").write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    )
    (tmp_path / "key.pem").write_text("nothing")
    settings = CertificateSettings(("/*.pem", "/missing.crt"), ("127.0.0.1:1",))
    facts = {fact["place"]: fact for fact in read_certificates(settings, Host(tmp_path)) or ()}
    good = facts["/good.pem"]
    assert (good["subject"], good["issuer"]) == ("CN=www.example.com", "CN=www.example.com")
    left = dt.datetime.fromisoformat(good["not_after"]) - dt.datetime.now(dt.UTC)
    assert left.days in {19, 20}
    assert {place: fact["problem"] for place, fact in facts.items()} == {
        "/good.pem": "",
        "/bad.pem": "holds a certificate that cannot be read",
        "/key.pem": "holds no certificate",
        "/missing.crt": "there is no such file",
        "127.0.0.1:1": "cannot be asked: ConnectionRefusedError",
    }
    HostFacts.model_validate({"certificates": list(facts.values())})


def test_the_newest_copy_of_a_backup_counts_unless_it_is_empty(tmp_path: Path) -> None:
    old, new, empty = (tmp_path / f"db-{n}.sql" for n in range(3))
    old.write_text("older")
    new.write_text("newer one")
    empty.touch()
    at = time.time()
    os.utime(old, (at, at - 7_200))
    os.utime(new, (at, at - 3_600))
    settings = [
        BackupSettings("database", "/db-*.sql"),
        BackupSettings("mail", "/mail/*"),
    ]
    database, mail = read_backups(settings, Host(tmp_path)) or ({}, {})
    assert dt.datetime.fromisoformat(database["newest_at"]).timestamp() == pytest.approx(at - 3600)
    assert database["newest_bytes"] == 9
    assert (mail["newest_at"], mail["newest_bytes"]) == (None, None)
    HostFacts.model_validate({"backups": [database, mail]})


def test_what_nobody_configured_is_not_told() -> None:
    reader = FactReader(Configuration())
    assert not {"certificates", "backups"} & reader.changed().keys()


def test_sudoers_are_read_as_sudo_reads_them() -> None:
    text = (
        "Defaults env_reset\nUser_Alias OPS = eve, bob\n# root ALL\n"
        "root ALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL # admins\n"
        "OPS ALL = \\\n  NOPASSWD: /usr/bin/systemctl, /bin/ls\n"
        "#1000 ALL=(ALL) NOPASSWD: ALL\n@includedir /etc/sudoers.d\n#includedir /etc/sudoers.d\n"
    )
    assert parse_sudo_rules(text, path="/etc/sudoers") == [
        SudoRule("root", "root ALL=(ALL:ALL) ALL", "/etc/sudoers", False, True),  # noqa: FBT003
        SudoRule("%sudo", "%sudo ALL=(ALL:ALL) ALL", "/etc/sudoers", False, True),  # noqa: FBT003
        SudoRule(
            "OPS", "OPS ALL = NOPASSWD: /usr/bin/systemctl, /bin/ls", "/etc/sudoers",
            True, False,  # noqa: FBT003
        ),
        SudoRule("#1000", "#1000 ALL=(ALL) NOPASSWD: ALL", "/etc/sudoers", True, True),  # noqa: FBT003
    ]  # fmt: skip


def test_pips_packages_are_those_of_their_metadata() -> None:
    told = {(p.name, p.version) for p in read_language_packages(Host()) if p.ecosystem == "PyPI"}
    folders = [
        folder
        for pattern in ("/root/.pyenv/versions/*/lib/python3*/site-packages",
                        "/usr/local/lib/python3*/*-packages")
        for folder in map(str, Path("/").glob(pattern.lstrip("/")))
    ]  # fmt: skip
    known = {
        (re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower(), found.version)
        for found in importlib.metadata.distributions(path=folders)
        if str(getattr(found, "_path", "")).endswith(".dist-info")
    }
    assert told == known


def test_packages_of_pip_and_npm_are_told_and_those_of_the_system_are_not(tmp_path: Path) -> None:
    local = tmp_path / "usr/local/lib/python3.12/dist-packages"
    system = tmp_path / "usr/lib/python3/dist-packages"
    node = tmp_path / "usr/lib/node_modules"
    for folder, name, installer in (
        (local, "Flask_Login-0.6.3.dist-info", "pip\n"),
        (system, "requests-2.28.1.dist-info", ""),
        (system, "pwned-1.0.dist-info", "pip\n"),
    ):
        (folder / name).mkdir(parents=True)
        (folder / name / "INSTALLER").write_text(installer)
    for name, content in (
        ("npm", '{"name": "npm", "version": "10.8.2"}'),
        ("@scope/tool", '{"name": "@scope/tool", "version": "1.2.3-rc.1"}'),
        ("broken", "{"),
    ):
        (node / name).mkdir(parents=True)
        (node / name / "package.json").write_text(content)
    before = inventory_signature(Host(tmp_path))
    assert read_language_packages(Host(tmp_path)) == [
        Package("PyPI", "flask-login", "0.6.3", "", ""),
        Package("PyPI", "pwned", "1.0", "", ""),
        Package("npm", "@scope/tool", "1.2.3-rc.1", "", ""),
        Package("npm", "npm", "10.8.2", "", ""),
    ]
    assert inventory_signature(Host(tmp_path)) == before
    (local / "Django-5.1.dist-info").mkdir()
    assert inventory_signature(Host(tmp_path)) != before


def test_the_whole_inventory_holds_the_systems_packages_first() -> None:
    packages = read_inventory(read_os())
    assert packages is not None
    ecosystems = [package.ecosystem for package in packages]
    assert ecosystems == sorted(ecosystems, key=lambda name: (name in {"PyPI", "npm"}, name))

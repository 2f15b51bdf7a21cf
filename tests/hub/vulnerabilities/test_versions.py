"""Version orders: laws, oracles, and the fixtures that others publish."""

import itertools
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.version import Version
from univers.versions import AlpineLinuxVersion, DebianVersion, RpmVersion

from hub.vulnerabilities.versions.encoding import InvalidVersion
from hub.vulnerabilities.versions.orders import Order, version_key
from tests.hub.vulnerabilities.samples import SAMPLES, needs_samples

# Each line is sorted, oldest first.
SORTED = {
    Order.DPKG: (
        "0~~a 0~ 0 0+b1 0.1 1.0~rc1-1 1.0-0ubuntu1 1.0-1~bpo12+1 1.0-1 1.0-1+b1 1.0-1+deb12u1"
        " 1.0-1.1 1.0a-1 1.0+dfsg-1 1.0.1-1 1.9-1 1.10-1 1:0.1-1 2:0.1-1"
    ),
    Order.RPM: (
        "1.0~rc1 1.0 1.0-1.el9 1.0^git1-1 1.0a-1 1.0.1-1 1.0.10-1 1.1-1.el9 1.1-1.el9_4"
        " 1.1-2.el9 10-1 1:0.1-1"
    ),
    Order.APK: (
        "0.9 1.0_alpha 1.0_alpha2 1.0_beta 1.0_pre1 1.0_rc1 1.0 1.0-r1 1.0-r10 1.0_git2024"
        " 1.0_p1 1.0_p1-r1 1.0a 1.0b 1.0.01 1.0.1 1.0.10 5.1p1-r0 5.1p2-r0 10.0"
    ),
    Order.SEMVER: (
        "0.0.1 1.0.0-0 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2"
        " 1.0.0-beta.11 1.0.0-rc.1 1.0 v1.0.1 1.2 1.10.0 2.6.32.61 2.6.33 6.5-rc1 6.5 6.5.1"
    ),
    Order.PEP440: (
        "0.9 1.0.dev1 1.0a1.dev1 1.0a1 1.0a2 1.0b1 1.0rc1 1.0 1.0+local 1.0+local.1 1.0.post1"
        " 1.0.1 1.10 1!0.1"
    ),
    Order.MAVEN: "1.0-alpha-1 1.0-beta-1 1.0-SNAPSHOT 1.0 1.0-sp-1 1.0.1 1.10",
    Order.RUBYGEMS: "1.0.0.rc1 1.0.0 1.0.1 1.10.0",
    Order.NUGET: "1.0.0-beta 1.0.0 1.0.0.1 1.10.0",
    Order.PACKAGIST: "1.0.0-dev 1.0.0-alpha1 1.0.0-beta1 1.0.0-RC1 1.0.0 1.0.0.1 1.0.0-pl1 1.10.0",
    Order.PUB: "1.0.0-dev.1 1.0.0 1.0.0+1 1.0.0+2 1.0.1",
    Order.NUMERIC: "0.9 1.0 1.0.1 1.0-2 1.10",
}
SAME = {
    Order.DPKG: [("1.0", "0:1.0-0"), ("1.0-00", "1.0"), ("1.01", "1.1")],
    Order.RPM: [
        ("0:1.0-1", "1.0-1"),
        ("(none):1.0-1", "1.0-1"),
        (":1.0-1", "1.0-1"),
        ("1.0001", "1.1"),
        ("2_0", "2.0"),
    ],
    Order.APK: [("1-r1", "1-r01"), ("1.0~abc1-r1", "1.0-r1")],
    Order.SEMVER: [("1.2.3+a", "v1.2.3+b"), ("6.5", "6.5.0"), ("go1.19", "1.19.0")],
    Order.PEP440: [("1.0", "1.0.0"), ("1.0-1", "1.0.post1"), ("1.0RC1", "1.0.rc1")],
    Order.MAVEN: [("4.1.0", "4.1.0.RELEASE"), ("1.0", "1.0-ga")],
    Order.PACKAGIST: [("1.0RC1", "1.0rc1"), ("v1.0", "1.0")],
}


@pytest.mark.parametrize("order", SORTED)
def test_versions_sort_as_their_ecosystem_says(order: Order) -> None:
    versions = SORTED[order].split()
    for older, newer in itertools.combinations(versions, 2):
        assert version_key(order, older) < version_key(order, newer), (older, newer)


@pytest.mark.parametrize("order", SAME)
def test_spellings_of_one_version_are_equal(order: Order) -> None:
    for one, other in SAME[order]:
        assert version_key(order, one) == version_key(order, other), (one, other)


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (Order.DPKG, ""),
        (Order.DPKG, "a:1"),
        (Order.DPKG, ":1"),
        (Order.DPKG, "1 2"),
        (Order.DPKG, "1" * 300),
        (Order.APK, "1..2"),
        (Order.APK, ".1"),
        (Order.SEMVER, "latest"),
        (Order.SEMVER, "1.x"),
        (Order.PEP440, "0.1-bulbasaur"),
        (Order.PACKAGIST, "dev-main"),
        (Order.NUMERIC, "1.a"),
        (Order.RUBYGEMS, "not a version"),
        (Order.UNKNOWN, "1.0"),
    ],
)
def test_what_is_no_version_is_said_to_be_none(order: Order, text: str) -> None:
    with pytest.raises(InvalidVersion):
        version_key(order, text)


def random_debian(dice: random.Random) -> str:
    """Return a version that dpkg accepts, made to come close to others."""
    alphabet = "0123456789.+~ab"
    upstream = str(dice.randrange(3)) + "".join(dice.choices(alphabet, k=dice.randrange(5)))
    epoch = f"{dice.randrange(2)}:" if dice.random() < 0.3 else ""
    revision = "".join(dice.choices(alphabet, k=dice.randrange(1, 4)))
    return f"{epoch}{upstream}" + (f"-{revision}" if dice.random() < 0.6 else "")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is the oracle")
def test_dpkg_itself_agrees_on_five_thousand_random_pairs() -> None:
    dice = random.Random(20_261_103)  # noqa: S311 - a test's dice
    pairs = [(random_debian(dice), random_debian(dice)) for _ in range(5_000)]
    # One shell for all of them: five thousand processes would take a minute.
    script = """while read -r a b; do for o in lt eq gt; do
        dpkg --compare-versions "$a" $o "$b" && echo $o; done; done"""
    told = subprocess.run(
        ["sh", "-c", script],
        input="".join(f"{one} {other}\n" for one, other in pairs),
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    ours = [_word(version_key(Order.DPKG, a), version_key(Order.DPKG, b)) for a, b in pairs]
    assert len(told) == len(pairs)
    assert [(p, t, o) for p, t, o in zip(pairs, told, ours, strict=True) if t != o] == []


def _word(one: bytes, other: bytes) -> str:
    return "lt" if one < other else "eq" if one == other else "gt"


@pytest.mark.parametrize(
    ("order", "other"),
    [(Order.DPKG, DebianVersion), (Order.RPM, RpmVersion), (Order.APK, AlpineLinuxVersion),
     (Order.PEP440, Version)],
)  # fmt: skip
def test_other_implementations_agree(order: Order, other: type) -> None:
    # What only Alpine's later grammar knows is unknown to univers.
    versions = [v for v in SORTED[order].split() if order is not Order.APK or v in SIMPLE_APK]
    for one, two in itertools.product(versions, versions):
        ours = version_key(order, one) < version_key(order, two)
        assert ours == (other(one) < other(two)), (one, two)


SIMPLE_APK = {
    "0.9",
    "1.0_alpha",
    "1.0_alpha2",
    "1.0_beta",
    "1.0_rc1",
    "1.0",
    "1.0-r1",
    "1.0-r10",
    "1.0_p1",
    "1.0a",
    "1.0.1",
}
FIXTURES = {
    "debian": Order.DPKG,
    "alpine": Order.APK,
    "redhat": Order.RPM,
    "semver": Order.SEMVER,
    "pypi": Order.PEP440,
}
# Lines whose versions the package manager itself refuses; the hub is undecided about them.
UNDECIDED = {
    "alpine": 13,  # a dot with no number around it: `.1`, `0..1`, `0.r1`, `0.8.21.r2`
    "pypi": 11,  # legacy versions, which PEP 440 took out of the order: `0.1-bulbasaur`
}


@needs_samples
@pytest.mark.parametrize("name", FIXTURES)
def test_published_fixtures_are_all_right(name: str) -> None:
    path: Path = SAMPLES / "version-ordering" / f"{name}-versions.txt"
    wrong, undecided = [], 0
    for line in path.read_text().splitlines():
        parts = line.split(" ")
        if len(parts) < 3 or line.startswith(("#", "//")):
            continue
        one, sign, other = parts[:3]
        try:
            word = _word(version_key(FIXTURES[name], one), version_key(FIXTURES[name], other))
        except InvalidVersion:
            undecided += 1
            continue
        if {"lt": "<", "eq": "=", "gt": ">"}[word] != sign:
            wrong.append(line)
    assert wrong == []
    assert undecided == UNDECIDED.get(name, 0)

"""The kernel that runs on a host, among those that are installed on it.

An old kernel that is still installed harms nobody, and a new one protects nobody before a reboot.
So packages of kernels never count as installed packages do; only the one that runs does.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hub.fleet.reports import InstalledPackage
from hub.vulnerabilities.ecosystems import KERNEL_ECOSYSTEM, KERNEL_PACKAGE, ecosystem_of
from hub.vulnerabilities.versions.encoding import InvalidVersion
from hub.vulnerabilities.versions.orders import Order, version_key

_FLAVOURS = (
    "allwinner|aws|azure|bluefield|edge|fips|gcp|gke|gkeop|hwe|ibm|intel|iot|kvm|laptop|lowlatency"
    "|lts|meta|nvidia|oem|oracle|raspi2?|realtime|riscv|rpi[0-9]?|rt|signed|snapdragon|stable"
    r"|starfive|virt|xilinx|[0-9]+\.[0-9]+"
)
_LINUX_SOURCE = re.compile(rf"linux(?:-(?:{_FLAVOURS})(?:[-.].*)?)?")
_RPM_SOURCE = re.compile(r"kernel(?:-.*)?")
_IMAGE = re.compile(r"linux-(?:image(?:-unsigned)?|modules)-(?=[0-9])")
_RPM_IMAGE = re.compile(r"kernel(?:-(?!devel|headers|tools|doc|abi|source|syms).*)?")
_SIGNED = re.compile(r"linux-signed(?P<flavour>-.+)?")
_SIGNED_FOR = re.compile(r"-(?:amd64|arm64|i386)$")
_VANILLA = re.compile(r"[0-9]+\.[0-9]+(?:\.[0-9]+)*(?:-rc[0-9]+)?\+?")
_ALPINE_RELEASE = re.compile(r"(?P<version>[0-9.]+(?:_\w+)?)-(?P<build>[0-9]+)-(?P<flavour>.+)")
_RPM_VARIANT = re.compile(r"\+(?:rt|64k|debug)(?:-debug)?$")  # of the same source and version
_ARCHITECTURES = (".x86_64", ".aarch64", ".ppc64le", ".s390x", ".i686", ".riscv64")


@dataclass(frozen=True, slots=True)
class Kernels:
    """What runs, and the newest that a reboot could start; None where it cannot be known."""

    running: InstalledPackage | None = None
    newest: InstalledPackage | None = None


def is_kernel(package: InstalledPackage) -> bool:
    """Tell whether a package belongs to a kernel: its image, modules, headers or tools."""
    if package.ecosystem == KERNEL_ECOSYSTEM:
        return True
    source = package.source_name or package.name
    order = ecosystem_of(package.ecosystem).order
    if order is Order.RPM:
        return _RPM_SOURCE.fullmatch(source) is not None
    return order in {Order.DPKG, Order.APK} and _LINUX_SOURCE.fullmatch(source) is not None


def as_kernel_source(package: InstalledPackage) -> InstalledPackage:
    """Return the package with the source that advisories mean.

    Debian and Ubuntu build signed images from a source of signatures (`linux-signed-amd64`
    6.1.119+1); the kernel in it is the unsigned source's, in the binary's version.
    """
    found = _SIGNED.fullmatch(_SIGNED_FOR.sub("", package.source_name))
    if found is None or ecosystem_of(package.ecosystem).order is not Order.DPKG:
        return package
    name = f"linux{found['flavour'] or ''}"
    return package._replace(source_name=name, source_version=package.version)


def kernels_of(release: str, packages: Iterable[InstalledPackage]) -> Kernels:
    """Return which of the packages is the running kernel, by `uname -r`.

    A kernel that no package explains is only known when it is plainly kernel.org's own; what a
    stranger patched into theirs cannot be known.
    """
    release = release.strip()
    if not release:
        return Kernels()
    images = [package for package in packages if _is_image(package)]
    running = _running(release, images)
    if running is None:
        return Kernels(_vanilla(release))
    return Kernels(running, _newest(running, images))


def _running(release: str, images: list[InstalledPackage]) -> InstalledPackage | None:
    found = [image for image in images if _is_release(image, release)]
    if found:
        return min(found, key=lambda image: (_is_signature(image), image))
    return _alpine_before_upgrade(release, images)


def _is_image(package: InstalledPackage) -> bool:
    if not is_kernel(package):
        return False
    order = ecosystem_of(package.ecosystem).order
    if order is Order.DPKG:
        return _IMAGE.match(package.name) is not None
    if order is Order.RPM:
        return _RPM_IMAGE.fullmatch(package.name) is not None
    return package.name == (package.source_name or package.name)


def _is_release(image: InstalledPackage, release: str) -> bool:
    order = ecosystem_of(image.ecosystem).order
    if order is Order.DPKG:
        name = image.name.partition(":")[0].removesuffix("-unsigned")
        return _IMAGE.sub("", name) == release
    if order is Order.RPM:
        return _is_rpm_release(image, release)
    found = _ALPINE_RELEASE.fullmatch(release)
    return found is not None and (image.name, image.version) == (
        f"linux-{found['flavour']}",
        f"{found['version']}-r{found['build']}",
    )


def _is_rpm_release(image: InstalledPackage, release: str) -> bool:
    version = image.version.partition(":")[2] or image.version
    release = _RPM_VARIANT.sub("", release)
    for architecture in _ARCHITECTURES:
        release = release.removesuffix(architecture)
    if release == version:
        return True
    # SUSE: `5.14.21-150500.55.39-default` is kernel-default 5.14.21-150500.55.39.1.
    base, _, flavour = release.rpartition("-")
    return image.name == f"kernel-{flavour}" and f"{version}.".startswith(f"{base}.")


def _is_signature(image: InstalledPackage) -> bool:
    return image.source_name.startswith("linux-signed")


def _alpine_before_upgrade(release: str, images: list[InstalledPackage]) -> InstalledPackage | None:
    """Return the kernel that apk has replaced on disk while it still runs."""
    found = _ALPINE_RELEASE.fullmatch(release)
    if found is None:
        return None
    name, version = f"linux-{found['flavour']}", f"{found['version']}-r{found['build']}"
    for image in images:
        if image.name == name and ecosystem_of(image.ecosystem).order is Order.APK:
            return image._replace(version=version, source_version=version)
    return None


def _vanilla(release: str) -> InstalledPackage | None:
    if _VANILLA.fullmatch(release) is None:
        return None
    return InstalledPackage(KERNEL_ECOSYSTEM, KERNEL_PACKAGE, release.removesuffix("+"))


def _newest(running: InstalledPackage, images: list[InstalledPackage]) -> InstalledPackage:
    source = as_kernel_source(running).source_name
    family = [image for image in images if as_kernel_source(image).source_name == source]
    order = ecosystem_of(running.ecosystem).order
    newest = running
    for image in family:
        try:
            if version_key(order, image.version) > version_key(order, newest.version):
                newest = image
        except InvalidVersion:
            continue
    return newest


def kernel_name(package: InstalledPackage) -> str:
    """Return what the kernel is called in findings: its source package."""
    return as_kernel_source(package).source_name or package.name

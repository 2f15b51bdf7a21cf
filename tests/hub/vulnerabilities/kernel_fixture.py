"""CVE-2024-26581 in the shape of the kernel's CNA: backported faults, and chained branches."""

from typing import Any


def _backported(start: str, end: str) -> dict[str, str]:
    return {"version": start, "lessThan": end, "status": "affected", "versionType": "semver"}


def _fixed(version: str, until: str) -> dict[str, str]:
    kind = "original_commit_for_fix" if until == "*" else "semver"
    return {
        "version": version,
        "lessThanOrEqual": until,
        "status": "unaffected",
        "versionType": kind,
    }


CVE_2024_26581: dict[str, Any] = {
    "dataType": "CVE_RECORD",
    "cveMetadata": {"cveId": "CVE-2024-26581", "state": "PUBLISHED"},
    "containers": {
        "cna": {
            "title": "netfilter: nft_set_rbtree: skip end interval element from gc",
            "descriptions": [{"lang": "en", "value": "In the Linux kernel…"}],
            "affected": [
                {
                    "product": "Linux",
                    "defaultStatus": "unaffected",
                    "versions": [
                        {
                            "version": "f718863aca469a109895cb855e6b81fff4827d71",
                            "lessThan": "60c0c230c6f046da536d3df8b39a20b9a9fd6af0",
                            "status": "affected",
                            "versionType": "git",
                        },
                        _backported("5.4.262", "5.4.269"),
                        _backported("5.10.190", "5.10.210"),
                        _backported("5.15.124", "5.15.149"),
                        _backported("6.1.43", "6.1.78"),
                        _backported("6.4.8", "6.5"),
                    ],
                },
                {
                    "product": "Linux",
                    "defaultStatus": "affected",
                    "versions": [
                        {"version": "6.5", "status": "affected"},
                        {
                            "version": "0",
                            "lessThan": "6.5",
                            "status": "unaffected",
                            "versionType": "semver",
                        },
                        _fixed("5.4.269", "5.4.*"),
                        _fixed("5.10.210", "5.10.*"),
                        _fixed("5.15.149", "5.15.*"),
                        _fixed("6.1.78", "6.1.*"),
                        _fixed("6.6.17", "6.6.*"),
                        _fixed("6.7.5", "6.7.*"),
                        _fixed("6.8", "*"),
                    ],
                },
            ],
        }
    },
}

"""All rules, each a module of its own."""

from collections import defaultdict
from typing import Any

from hub.detections.events import EventKind
from hub.detections.models import RuleKind
from hub.detections.rule import Rule
from hub.detections.rules import (
    authorized_keys_change,
    binary_hash_mismatch,
    cron_persistence,
    cryptominer,
    file_integrity,
    honeypot_canary,
    kernel_module_load,
    ld_preload,
    log_cleared,
    new_listening_port,
    new_sudo_user,
    new_user,
    process_from_tmp,
    reverse_shell,
    ssh_bruteforce,
    ssh_bruteforce_success,
    ssh_login_new_source,
)

_MODULES = (
    authorized_keys_change,
    binary_hash_mismatch,
    cron_persistence,
    cryptominer,
    file_integrity,
    honeypot_canary,
    kernel_module_load,
    ld_preload,
    log_cleared,
    new_listening_port,
    new_sudo_user,
    new_user,
    process_from_tmp,
    reverse_shell,
    ssh_bruteforce,
    ssh_bruteforce_success,
    ssh_login_new_source,
)

RULES: dict[RuleKind, Rule[Any]] = {module.RULE.kind: module.RULE for module in _MODULES}

RULES_BY_EVENT: dict[EventKind, list[Rule[Any]]] = defaultdict(list)
for _rule in RULES.values():
    for _kind in _rule.reads:
        RULES_BY_EVENT[_kind].append(_rule)

"""Fixtures: the npm packages that real clients come in."""

from tests.node_packages import node_modules

__all__ = ["node_modules"]

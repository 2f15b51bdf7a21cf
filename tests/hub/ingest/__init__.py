"""Tests of what other tools deliver."""

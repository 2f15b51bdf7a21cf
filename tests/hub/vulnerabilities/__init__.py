"""Tests of vulnerabilities."""

"""Tests: what happens when things break."""

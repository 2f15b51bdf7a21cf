"""Tests: oauth."""

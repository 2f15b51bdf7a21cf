"""Tests of the hub; folders mirror the tree."""

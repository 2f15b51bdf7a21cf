"""Tests of what events become."""

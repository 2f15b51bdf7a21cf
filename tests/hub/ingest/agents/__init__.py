"""Tests of what hosts with our own agent send."""

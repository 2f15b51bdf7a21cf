"""Tests of accounts: sign-up, passwords, second factors, members, the connector's settings."""

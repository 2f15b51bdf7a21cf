"""Tenants, their people, roles and sign-ins."""

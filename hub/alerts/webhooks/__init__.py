"""Notifications out: signed webhooks."""

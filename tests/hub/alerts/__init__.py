"""Rules, their evaluation, what keeps them quiet, and webhooks."""

"""The domain of monsys hub and the service around it."""

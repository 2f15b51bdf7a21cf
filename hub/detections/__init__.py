"""Security events that a person should look at."""

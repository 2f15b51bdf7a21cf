"""One test per attack: it is refused, nothing has changed, and it is written down."""

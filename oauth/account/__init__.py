"""The pages of a person's account and organisation. They work without JavaScript."""

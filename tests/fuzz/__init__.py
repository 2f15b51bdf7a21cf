"""Parsers against what nobody foresaw; MONSYS_FUZZ_SECONDS makes each run as long as CI does."""

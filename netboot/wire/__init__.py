"""Bytes ↔ values, by the standard library alone: what each RFC lays out, and no more."""

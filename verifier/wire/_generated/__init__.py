"""Written by protoc from ``proto/``; never edited. See docs/api.md for the command."""

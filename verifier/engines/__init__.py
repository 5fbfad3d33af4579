"""Judging, in this process or over the wire, behind one interface."""

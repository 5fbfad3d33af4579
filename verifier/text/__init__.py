"""Pure functions on text: reasoning tags, answers, code blocks, scripts."""

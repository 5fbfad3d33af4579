"""Named converters from the rows of public datasets to references, and the product's own JSON."""

"""An analysis in some shape: one module a shape."""

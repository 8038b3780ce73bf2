"""The native recorder: C sources, and the library that the build makes of them."""

"""What is made for a release, and checked before one. Not part of the package."""

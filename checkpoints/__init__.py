"""A small library that remembers how far a job has come."""

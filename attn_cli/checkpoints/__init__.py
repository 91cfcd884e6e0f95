"""Checkpoints: a real model on disk, read without the framework that made it."""

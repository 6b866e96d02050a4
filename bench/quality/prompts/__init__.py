"""Prompt sets, and files of other forms that become prompt sets."""

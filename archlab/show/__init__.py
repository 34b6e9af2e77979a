"""A task, shown: its rows as text and pictures, and what many rows hold."""

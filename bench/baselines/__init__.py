"""What the library is compared with; nothing here imports it."""

"""The search for better parameters of one approach."""

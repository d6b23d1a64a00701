"""What a fixed camera's scene looks like with nothing in it, and which change there matters. Plain arithmetic."""

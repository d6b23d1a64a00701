"""The result cache: answers known by what was looked at, found again by likeness."""

"""The types that all else is made of: frames and their pixels, answers, settings, errors, files."""

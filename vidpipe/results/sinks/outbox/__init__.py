"""Events on their way to another program: kept on disk until they are delivered."""

"""Pictures and clips of events: made where the frames are, bounded in memory, and in a folder that stays in bounds."""

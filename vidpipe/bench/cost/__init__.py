"""What a run takes: processes of their own, CPU, memory, energy, and the machine that it was."""

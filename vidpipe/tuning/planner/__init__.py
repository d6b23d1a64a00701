"""What a pipeline will take on given machines, and what each camera should get of them: no clock, no thread, no I/O."""

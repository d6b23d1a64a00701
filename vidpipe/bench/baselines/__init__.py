"""What a pipeline is compared with: one model at every frame, or at some, behind a motion gate, in another loop."""

"""What finds objects: from a network's outputs to boxes with the pipeline's classes."""

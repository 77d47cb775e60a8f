"""The MetaMorph recipe (arXiv 2412.14164) for the Shapes world: SigLIP tower, visualizer, VPiT, export."""

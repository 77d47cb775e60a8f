"""The LlamaFusion recipe (arXiv 2412.15188) for the Shapes world: VAE, text Llama, image modules, export."""

"""Numbers for kernels: generators, elementary functions, products, and how vectors are laid out."""

"""The foundation of all other packages: types, errors, pytree algebra and compilation tools."""

"""Finding the activations of a model that was written without this library, and giving them new modules.

`carelu.replacement` puts the steps together; nothing here imports it. Needs only torch: the classes of other
packages are known by name.
"""

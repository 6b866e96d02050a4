"""The recipe of the reference models: their training text, training, export and cards. No part of the package."""

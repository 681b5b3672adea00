"""Three small helper files, never more: security, id_generator, validators."""

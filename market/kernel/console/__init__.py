"""What the staff console's pages of all apps share; the apps' ``admin`` modules build on it."""
